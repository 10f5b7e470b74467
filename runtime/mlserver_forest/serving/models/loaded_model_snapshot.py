"""Which models are loaded, for a worker that replaces a dead one."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

_LENGTH_BYTES = 8


class LoadedModelSnapshot:
    """The names and directories of loaded models, for a worker that replaces a dead one.

    They are stored in memory that forked processes share, which has a file descriptor but no path.
    """

    def __init__(self) -> None:
        self._file = os.memfd_create("models")

    def write(self, directories: Mapping[str, Path]) -> None:
        """Replace the snapshot; if the process is killed while writing, the snapshot is empty."""
        text = json.dumps({name: str(path) for name, path in directories.items()}).encode()
        os.pwrite(self._file, bytes(_LENGTH_BYTES), 0)
        os.pwrite(self._file, text, _LENGTH_BYTES)
        os.pwrite(self._file, len(text).to_bytes(_LENGTH_BYTES, "little"), 0)

    def read(self) -> dict[str, Path]:
        """The directories by name; empty at first."""
        length = int.from_bytes(os.pread(self._file, _LENGTH_BYTES, 0), "little")
        if not length:
            return {}
        text = os.pread(self._file, length, _LENGTH_BYTES)
        return {name: Path(path) for name, path in json.loads(text).items()}
