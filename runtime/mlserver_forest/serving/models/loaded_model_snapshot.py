"""The models that are loaded, kept where the worker that replaces a dead one finds them.

In memory that has a file's descriptor but no place in any folder, which forked processes
share.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

_LENGTH_BYTES = 8


class RememberedModels:
    """Names and directories; empty at first."""

    def __init__(self) -> None:
        self._file = os.memfd_create("models")

    def write(self, directories: Mapping[str, Path]) -> None:
        """Remember these and no others; killed in between, remember none."""
        text = json.dumps({name: str(path) for name, path in directories.items()}).encode()
        os.pwrite(self._file, bytes(_LENGTH_BYTES), 0)
        os.pwrite(self._file, text, _LENGTH_BYTES)
        os.pwrite(self._file, len(text).to_bytes(_LENGTH_BYTES, "little"), 0)

    def read(self) -> dict[str, Path]:
        length = int.from_bytes(os.pread(self._file, _LENGTH_BYTES, 0), "little")
        if not length:
            return {}
        text = os.pread(self._file, length, _LENGTH_BYTES)
        return {name: Path(path) for name, path in json.loads(text).items()}
