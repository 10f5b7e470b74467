"""Which models are loaded, for a worker that replaces a dead one."""

import json
from collections.abc import Mapping
from pathlib import Path

from mlserver_forest.serving.process.shared_text import SharedText


class LoadedModelSnapshot:
    """The names and directories of loaded models, for a worker that replaces a dead one."""

    def __init__(self) -> None:
        self._text = SharedText("models")

    def write(self, directories: Mapping[str, Path]) -> None:
        """Replace the snapshot; if the process is killed while writing, the snapshot is empty."""
        self._text.write(json.dumps({name: str(path) for name, path in directories.items()}))

    def read(self) -> dict[str, Path]:
        """The directories by name; empty at first."""
        text = self._text.read()
        return {name: Path(path) for name, path in json.loads(text).items()} if text else {}
