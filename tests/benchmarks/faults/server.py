"""The server under test: its processes, their memory, and what it printed."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import contextmanager
from pathlib import Path

import httpx

_LINES_KEPT = 200
SERVE = Path(sys.executable).parent / "serve"
_START_SECONDS = 60.0
_WORKERS_SECONDS = 5.0
_END_SECONDS = 5.0


class NotReady(Exception):
    """The server ended, or did not say 200 in time.

    Attributes:
        code: its exit code; None if it goes on.
        lines: what it printed last.
    """

    def __init__(self, code, lines):
        super().__init__(f"exit code {code}, {lines[-5:]}")
        self.code, self.lines = code, lines


class Server:
    """A ``serve`` that ``tests.support.launch`` started."""

    def __init__(self, running, model_dir):
        self.running, self.model_dir = running, model_dir
        self.pid = getattr(running, "pid", running.process.pid)
        self.port = running.http_port
        self.lines = deque(maxlen=_LINES_KEPT)
        self._seen = {}
        self._readers = []

    def start(self, reads_log=True):
        """Read what it prints from now on, or its pipes would fill; wait until it is ready."""
        for pipe in (self.running.process.stdout, self.running.process.stderr) if reads_log else ():
            reader = threading.Thread(target=self.lines.extend, args=(pipe,), daemon=True)
            reader.start()
            self._readers.append((reader, pipe))
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            self.family()
            if self.running.process.poll() is not None or time.monotonic() > deadline:
                for reader, _ in self._readers:
                    reader.join(1)
                raise NotReady(self.running.process.poll(), list(self.lines))
            time.sleep(0.05)
        self.family()
        return self

    def _is_ready(self):
        try:
            return httpx.get(f"{self.running.url}/ping", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def children(self):
        """The pids of its workers."""
        found = {pid: started for pid, parent, started in processes() if parent == self.pid}
        self._seen |= found
        return set(found)

    def workers(self, number):
        """The pids once there are so many; the first may be ready before the last is there."""
        deadline = time.monotonic() + _WORKERS_SECONDS
        while len(found := self.children()) < number and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    def family(self):
        """It and all processes below it."""
        table = list(processes())
        found = {self.pid}
        while more := {pid for pid, parent, _ in table if parent in found} - found:
            found |= more
        self._seen |= {pid: started for pid, _, started in table if pid in found}
        return found

    def memory(self):
        """Megabytes of all its processes: resident, and with what they share counted once."""
        return self._megabytes("Rss:"), self._megabytes("Pss:")

    def anonymous_memory(self):
        """Megabytes of all its processes that no file backs.

        What it shares with processes of others (the libraries) is left out: its share of
        that grows when one of those ends.
        """
        return self._megabytes("Anonymous:")

    def _megabytes(self, field):
        total = 0
        for pid in self.family():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue  # It is gone.
            total += sum(int(line.split()[1]) for line in lines if line.startswith(field))
        return total / 1000

    def signal(self, number):
        self.running.process.send_signal(number)

    def exit_code(self, seconds):
        """Once it has ended; None if it did not in time."""
        try:
            return self.running.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self):
        """Ask it to end, then kill what is left, the workers of a killed arbiter too."""
        self.family()
        self.signal(signal.SIGTERM)
        if self.exit_code(_END_SECONDS) is None:
            self.family()
            self.signal(signal.SIGKILL)
            self.running.process.wait()
        for pid, started in self._seen.items():
            if (pid, started) in {(other, moment) for other, _, moment in processes()}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for reader, pipe in self._readers:
            reader.join(_END_SECONDS)
            if not reader.is_alive():
                pipe.close()


def launch_in_container(image, memory, model_dir, command, limits=(), **variables):
    """Start the server as ``tests.support.launch`` does, in a container.

    The folder that holds the model directory has the same path there.

    Args:
        image: the image.
        memory: the container's limit, such as 1g.
        model_dir: the model directory.
        command: as on this machine.
        limits: further options of ``docker run``.
        variables: of the server's environment.
    """
    from tests.support import Running, free_port

    http_port, grpc_port = free_port(), free_port()
    name = f"forest-faults-{http_port}"
    variables = {
        "SAGEMAKER_BASE_DIR": model_dir.parent,
        "SAGEMAKER_BIND_TO_PORT": http_port,
        "FOREST_GRPC_PORT": grpc_port,
        **variables,
    }
    options = [word for pair in variables.items() for word in ("-e", "{}={}".format(*pair))]
    limits = (f"--memory={memory}", f"--memory-swap={memory}", "--network=host", "--rm", *limits)
    volume = f"{model_dir.parent}:{model_dir.parent}"
    command = ["serve" if word == SERVE else word for word in command]
    process = subprocess.Popen(
        ("docker", "run", *limits, "--name", name, "-v", volume, *options, image, *command),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running = Running(process, http_port, grpc_port)
    running.pid = _pid_of_container(name, process)
    return running


def _pid_of_container(name, process):
    """The process that the engine started, as this machine sees it; 0 if it has ended."""
    command = ("docker", "inspect", "-f", "{{.State.Pid}}", name)
    while process.poll() is None:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode == 0 and int(done.stdout) > 0:
            return int(done.stdout)
        time.sleep(0.05)
    return 0


def processes():
    """(pid, its parent's, when it started) of every process that has not ended."""
    for path in Path("/proc").glob("[0-9]*"):
        found = _parent_and_start(path.name)
        if found:
            yield int(path.name), *found


def is_alive(pid):
    return _parent_and_start(pid) is not None


def _parent_and_start(pid):
    """None if it has ended, with all its threads, whether or not its parent knows."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    has_ended = fields[0] in {"Z", "X"} and int(fields[17]) <= 1
    return None if has_ended else (int(fields[1]), int(fields[19]))


@contextmanager
def serving(launch, model_dir, *, command=(SERVE,), descriptors=None, reads_log=True, **variables):
    """A ready server, ended afterwards.

    Args:
        launch: ``tests.support.launch``.
        model_dir: the model.
        command: starts it; ``SERVE`` is the script.
        descriptors: how many files and sockets each of its processes may have open.
        reads_log: whether anybody reads what it prints.
        variables: of its environment, and what ``launch`` takes.
    """
    server = Server(launch(model_dir, command, **variables), model_dir)
    try:
        if descriptors:
            # Long before Python has started there, and inherited by all that it starts.
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (descriptors, descriptors))
        yield server.start(reads_log)
    finally:
        server.end()


class MemoryWatch:
    """As a context: the server's memory, every so many seconds, in (time, RSS, PSS)."""

    def __init__(self, server, seconds=0.5):
        self.samples = []
        self._server, self._seconds = server, seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while True:
            self.samples.append((time.monotonic(), *self._server.memory()))
            if self._ended.wait(self._seconds):
                return

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._ended.set()
        self._thread.join()

    def most(self):
        """The largest PSS."""
        return max(pss for _, _, pss in self.samples)
