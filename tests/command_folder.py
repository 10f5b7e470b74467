"""A folder for PATH whose ``forest``, ``train`` and ``serve`` are forked by ``forked_command``.

Its commands are small programs that pass their arguments, environment and streams to the process of
the tests, which forks the command. They forward signals to it, and end with its exit code.
"""

import contextlib
import json
import os
import socket
import sys
import threading
from multiprocessing.connection import wait

from forked_command import fork_command, start_server

_NAMES = ("forest", "train", "serve")
_LARGEST_REQUEST = 200_000
# Without site and the environment, Python starts in 15 ms.
_COMMAND = """#!{python} -IS
import json, os, signal, socket, sys

words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
request = json.dumps([words, dict(os.environ), os.getcwd()]).encode()
server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.connect({address!r})
socket.send_fds(server, [request], [0, 1, 2])
pid = int(server.recv(100))
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: os.kill(pid, number))
code = int(server.recv(100))
sys.exit(code if code >= 0 else 128 - code)
"""


@contextlib.contextmanager
def command_folder(folder):
    """Make the folder; its commands can be run within the block.

    Args:
        folder: is made; its path has fewer than 90 characters, as those of sockets.
    """
    start_server()
    folder.mkdir()
    address = folder / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(address))
        listener.listen()
        for name in _NAMES:
            command = folder / name
            command.write_text(_COMMAND.format(python=sys.executable, address=str(address)))
            command.chmod(0o755)
        threading.Thread(target=_answer, args=(listener,), daemon=True).start()
        yield folder
        listener.shutdown(socket.SHUT_RDWR)


def _answer(listener):
    with contextlib.suppress(OSError):  # The block has ended.
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_run, args=(connection,), daemon=True).start()


def _run(connection):
    """Run one command, which is killed if the program that asked for it is gone."""
    with connection:
        request, descriptors, *_ = socket.recv_fds(connection, _LARGEST_REQUEST, 3)
        words, environ, cwd = json.loads(request)
        process = fork_command(words, environ, cwd, dict(enumerate(descriptors)))
        for descriptor in descriptors:
            os.close(descriptor)
        connection.send(str(process.pid).encode())
        if process.sentinel not in wait([process.sentinel, connection]):
            process.kill()
        process.join()
        with contextlib.suppress(OSError):
            connection.send(str(process.exitcode).encode())
