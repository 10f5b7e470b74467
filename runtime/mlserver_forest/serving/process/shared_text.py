"""A text in memory that forked processes share, which has a file descriptor but no path."""

import os

_LENGTH_BYTES = 8


class SharedText:
    """A text that any of the processes may replace.

    Args:
        name: what the system calls the memory.
    """

    def __init__(self, name: str) -> None:
        self._file = os.memfd_create(name)

    def write(self, text: str) -> None:
        """Replace the text; if the process is killed while writing, it is empty."""
        content = text.encode()
        os.pwrite(self._file, bytes(_LENGTH_BYTES), 0)
        os.pwrite(self._file, content, _LENGTH_BYTES)
        os.pwrite(self._file, len(content).to_bytes(_LENGTH_BYTES, "little"), 0)

    def read(self) -> str:
        """The text; empty at first."""
        length = int.from_bytes(os.pread(self._file, _LENGTH_BYTES, 0), "little")
        return os.pread(self._file, length, _LENGTH_BYTES).decode() if length else ""
