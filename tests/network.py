"""Network namespaces of the kernel, each a machine with an address of its own."""

import contextlib
import ctypes
import os
import shutil
import subprocess
from pathlib import Path

ADDRESSES = ("10.231.0.1", "10.231.0.2", "10.231.0.3")
# Files that ip mounts over /etc inside a namespace.
FILES = Path("/etc/netns")
# Of Linux's sched.h and mount.h.
_CLONE_NEWNET, _CLONE_NEWNS = 0x40000000, 0x20000
_MS_BIND, _MS_REC, _MS_SLAVE = 0x1000, 0x4000, 0x80000


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextlib.contextmanager
def machines():
    """Namespaces by address, all on one switch.

    Raises:
        subprocess.CalledProcessError: where the system does not allow it.
    """
    switch = f"switch-{os.getpid()}"
    made = {address: f"machine-{os.getpid()}-{i}" for i, address in enumerate(ADDRESSES)}
    try:
        ip("netns", "add", switch)
        ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", switch, "link", "set", "bridge", "up")
        for i, (address, machine) in enumerate(made.items()):
            ip("netns", "add", machine)
            know(machine, {"127.0.0.1": "localhost"})
            ip(
                *("-n", switch, "link", "add", f"port{i}", "type", "veth"),
                *("peer", "name", "eth0", "netns", machine),
            )
            ip("-n", switch, "link", "set", f"port{i}", "master", "bridge", "up")
            ip("-n", machine, "link", "set", "lo", "up")
            ip("-n", machine, "link", "set", "eth0", "up")
            ip("-n", machine, "address", "add", f"{address}/24", "dev", "eth0")
        yield made
    finally:
        for name in (switch, *made.values()):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "delete", name)
            shutil.rmtree(FILES / name, ignore_errors=True)


def know(machine, names):
    """Let names resolve there; also while it is in use."""
    path = FILES / machine / "hosts"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{address} {name}\n" for address, name in names.items()))


@contextlib.contextmanager
def cut(machine):
    """The machine is off the network meanwhile; its processes go on."""
    ip("-n", machine, "link", "set", "eth0", "down")
    try:
        yield
    finally:
        ip("-n", machine, "link", "set", "eth0", "up")


def enter(machine):
    """Move this process to the machine, as ``ip netns exec`` does."""
    with Path("/run/netns", machine).open() as namespace:
        _call("setns", namespace.fileno(), _CLONE_NEWNET)
    _call("unshare", _CLONE_NEWNS)
    _call("mount", b"none", b"/", None, _MS_REC | _MS_SLAVE, None)
    for file in (FILES / machine).iterdir():
        _call("mount", bytes(file), bytes(Path("/etc", file.name)), None, _MS_BIND, None)


def _call(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mount.argtypes = (*[ctypes.c_char_p] * 3, ctypes.c_ulong, ctypes.c_char_p)
    if getattr(libc, name)(*arguments):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
