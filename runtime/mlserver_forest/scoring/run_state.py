"""What a run leaves for the next one: which parts are done, and of what.

The state is a folder: ``run.json`` describes the run, and a small file for each part that is done,
written after the part itself, says how many rows it has and which were bad. A part without such a
file is written again. A run of another model, other options or other files is refused.
"""

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlserver_forest.artifact.atomic_write import (
    remove_temporary_files,
    sync_folder,
    write_temporary_file,
    write_whole,
)
from mlserver_forest.artifact.folder_lock import lock_folder
from mlserver_forest.errors import InvalidData, InvalidEnvironment
from mlserver_forest.scoring.scorer import BadRow

_RUN_FILE = "run.json"
_PART, _DONE = ".part.json", ".done.json"
_TITLES = {
    "model": "the model",
    "options": "the options",
    "inputs": "the input files",
    "version": "the version of mlserver-forest",
    "format": "the format",
}


@dataclass(frozen=True, slots=True)
class DonePart:
    """A part that is on disk.

    Attributes:
        name: of its file, below the folder of the parts; empty if it has no rows.
        n_rows: how many answers it has.
        bad_rows: the rows that were left out.
    """

    name: str
    n_rows: int
    bad_rows: list[BadRow]


class RunState:
    """The state of a run in a folder that is locked.

    Args:
        folder: of the state.
        parts_folder: where the parts are.
    """

    def __init__(self, folder: Path, parts_folder: Path) -> None:
        self._folder = folder
        self._parts_folder = parts_folder
        # By the numbers of their pieces and their own.
        self._parts: dict[int, dict[int, DonePart]] = defaultdict(dict)
        for path in folder.glob(f"*{_PART}"):
            piece, number = map(int, path.name.removesuffix(_PART).split("-"))
            part = _read_part(path)
            if not part.name or (parts_folder / part.name).exists():
                self._parts[piece][number] = part
            else:  # It was removed since.
                (folder / _done_name(piece)).unlink(missing_ok=True)

    @classmethod
    @contextmanager
    def opened(
        cls, folder: Path, parts_folder: Path, run: Mapping[str, Any], *, overwrites: bool
    ) -> Iterator["RunState"]:
        """Open the state of a run, whether it is new or was interrupted.

        Args:
            folder: of the state; made if missing.
            parts_folder: where the parts are.
            run: what the answers depend on; JSON.
            overwrites: whether what another run left is removed.

        Raises:
            InvalidData: if the folder has the state of another run, naming what differs.
            InvalidEnvironment: if the folder cannot be written, or another run is using it.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with lock_folder(folder):
                state = cls(folder, parts_folder)
                differing = _differing(folder, run)
                if differing:
                    if state.parts() and not overwrites:
                        raise InvalidData(
                            f"{folder} holds the parts of a run that differs in "
                            f"{' and '.join(differing)}; give --overwrite to start again, or "
                            "another --out"
                        )
                    state._clear()  # It is one of these.
                remove_temporary_files(folder)
                write_whole(folder / _RUN_FILE, json.dumps(run, indent=1).encode())
                state = cls(folder, parts_folder)
                try:
                    yield state
                finally:
                    if folder.exists() and not state.parts():
                        state.remove()  # There is nothing to go on with.
        except OSError as error:
            raise InvalidEnvironment(
                f"{folder} cannot be written: {error.strerror or error}; choose another --out"
            ) from error

    def is_done(self, piece: int, part: int) -> bool:
        """Whether a part is on disk."""
        return part in self._parts[piece]

    def is_piece_done(self, piece: int) -> bool:
        """Whether all parts of a piece are on disk."""
        return (self._folder / _done_name(piece)).exists()

    def finish_part(self, piece: int, part: int, done: DonePart) -> None:
        """Note that a part is on disk."""
        self._parts[piece][part] = done
        name = f"{piece:06d}-{part:06d}{_PART}"
        write_whole(self._folder / name, json.dumps(asdict(done)).encode())

    def finish_piece(self, piece: int) -> None:
        """Note that all parts of a piece are on disk."""
        write_whole(self._folder / _done_name(piece), b"{}")

    def parts_of(self, piece: int) -> frozenset[int]:
        """The parts of a piece that are on disk."""
        return frozenset(self._parts[piece])

    def parts(self) -> list[DonePart]:
        """All parts that are done, in the order of the rows."""
        return [
            self._parts[piece][part]
            for piece in sorted(self._parts)
            for part in sorted(self._parts[piece])
        ]

    def remove(self) -> None:
        """Remove the state of a run that has ended."""
        shutil.rmtree(self._folder)

    def _clear(self) -> None:
        for part in self.parts():
            if part.name:
                (self._parts_folder / part.name).unlink(missing_ok=True)
        for path in self._folder.iterdir():
            path.unlink()


def write_part(path: Path, blocks: Iterator[bytes], drafts: Path) -> None:
    """Write a file whole or not at all, block by block.

    Args:
        path: of the file; its folder is made if missing.
        blocks: its content.
        drafts: a folder of the same file system, where the file is until it is whole.

    Raises:
        OSError: if it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = write_temporary_file(drafts, blocks)
    os.replace(temporary, path)
    sync_folder(path.parent)


def _done_name(piece: int) -> str:
    return f"{piece:06d}{_DONE}"


def _read_part(path: Path) -> DonePart:
    found = json.loads(path.read_bytes())
    return DonePart(
        found["name"], found["n_rows"], [BadRow(**bad_row) for bad_row in found["bad_rows"]]
    )


def _differing(folder: Path, run: Mapping[str, Any]) -> list[str]:
    """What differs from the run whose state a folder holds, if it holds any."""
    try:
        earlier = json.loads((folder / _RUN_FILE).read_bytes())
    except FileNotFoundError:
        return []
    return [title for name, title in _TITLES.items() if earlier.get(name) != run[name]]
