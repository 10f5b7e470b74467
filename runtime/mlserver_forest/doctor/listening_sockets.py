"""The sockets on which processes listen, as Linux lists them in /proc/net/tcp and tcp6."""

import ipaddress
from dataclasses import dataclass

# The state LISTEN (Linux, include/net/tcp_states.h).
_LISTEN = "0A"
# The name server that Docker provides in a container's network.
_DOCKERS_ADDRESS = "127.0.0.11"


@dataclass(frozen=True, order=True)
class ListeningSocket:
    """An address and a port on which a process accepts connections.

    Attributes:
        address: an IPv4 or IPv6 address; 0.0.0.0 or :: for all of the host's.
    """

    address: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only the host itself, or the container itself, reaches it."""
        return ipaddress.ip_address(self.address).is_loopback

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


def listening_in(table: str) -> dict[str, ListeningSocket]:
    """The listening sockets by inode.

    Args:
        table: the text of /proc/net/tcp or tcp6, or of both.
    """
    found = {}
    for line in table.splitlines():
        fields = line.split()
        if len(fields) > 9 and fields[3] == _LISTEN:
            address, _, port = fields[1].rpartition(":")
            socket = ListeningSocket(_address(address), int(port, 16))
            if socket.address != _DOCKERS_ADDRESS:
                found[fields[9]] = socket
    return found


def _address(digits: str) -> str:
    """An address from its 32-bit words, each of which the kernel prints in the machine's order."""
    words = [bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
