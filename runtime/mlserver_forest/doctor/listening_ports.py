"""Which TCP ports are listened on, as Linux tells in /proc."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_LISTEN = "0A"
# Docker's own name server in a container's network.
_DOCKERS_ADDRESS = "0B00007F"


def listening_in(table: str) -> dict[str, int]:
    """The sockets (inode -> port) that listen, of the text of /proc/net/tcp or tcp6."""
    found = {}
    for line in table.splitlines():
        fields = line.split()
        if len(fields) > 9 and fields[3] == _LISTEN:
            address, _, port = fields[1].rpartition(":")
            if address != _DOCKERS_ADDRESS:
                found[fields[9]] = int(port, 16)
    return found


def ports_of_session(leader: int) -> frozenset[int] | None:
    """Of all processes of a session; None where there is no /proc."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    if not tables[0].exists():
        return None
    inodes = set(_inodes(leader))
    found = listening_in("\n".join(table.read_text() for table in tables if table.exists()))
    return frozenset(port for inode, port in found.items() if inode in inodes)


def _inodes(leader: int) -> Iterable[str]:
    """Of the sockets that a session's processes hold."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # It has ended, or is another user's.
            session = (process / "stat").read_text().rpartition(")")[2].split()[3]
            if int(session) != leader:
                continue
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    target = str(descriptor.readlink())
                    if target.startswith("socket:["):
                        yield target[8:-1]
