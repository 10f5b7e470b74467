"""What a run leaves for the next one: which parts are done, and of what.

The state is a folder: ``run.json`` describes the run, and a small file for each part that is done,
written after the part itself, says how many rows it has and which were bad. A part without such a
file is written again. A run of another model, other options or other files is refused.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from mlserver_forest.errors import InvalidData, InvalidEnvironment
from mlserver_forest.scoring.output_folder import OutputFolder
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
    """The state of a run.

    Args:
        folder: of the state.
        parts_folder: where the parts are.
    """

    def __init__(self, folder: OutputFolder, parts_folder: OutputFolder) -> None:
        self._folder = folder
        self._parts_folder = parts_folder
        # By the numbers of their pieces and their own.
        self._parts: dict[int, dict[int, DonePart]] = defaultdict(dict)
        names = folder.names()
        self._done = {int(name[: -len(_DONE)]) for name in names if name.endswith(_DONE)}
        for name in names:
            if not name.endswith(_PART):
                continue
            piece, number = map(int, name.removesuffix(_PART).split("-"))
            part = _part_of(folder.read(name))
            if not part.name or parts_folder.holds(part.name):
                self._parts[piece][number] = part
            else:  # It was removed since.
                folder.remove(_done_name(piece))
                self._done.discard(piece)

    @classmethod
    @contextmanager
    def opened(
        cls,
        folder: OutputFolder,
        parts_folder: OutputFolder,
        run: Mapping[str, Any],
        *,
        overwrites: bool,
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
            with folder.held():
                state = cls(folder, parts_folder)
                differing = _differing(folder, run)
                if differing:
                    if state.parts() and not overwrites:
                        raise InvalidData(
                            f"{folder.title} holds the parts of a run that differs in "
                            f"{' and '.join(differing)}; give --overwrite to start again, or "
                            "another --out"
                        )
                    state._clear()  # It is one of these.
                folder.write(_RUN_FILE, [json.dumps(run, indent=1).encode()])
                state = cls(folder, parts_folder)
                try:
                    yield state
                finally:
                    if folder.holds(_RUN_FILE) and not state.parts():
                        state.remove()  # There is nothing to go on with.
        except OSError as error:
            raise InvalidEnvironment(
                f"{folder.title} cannot be written: {error.strerror or error}; choose another --out"
            ) from error

    def is_done(self, piece: int, part: int) -> bool:
        """Whether a part is on disk."""
        return part in self._parts[piece]

    def is_piece_done(self, piece: int) -> bool:
        """Whether all parts of a piece are on disk."""
        return piece in self._done

    def finish_part(self, piece: int, part: int, done: DonePart) -> None:
        """Note that a part is on disk."""
        self._parts[piece][part] = done
        name = f"{piece:06d}-{part:06d}{_PART}"
        self._folder.write(name, [json.dumps(asdict(done)).encode()])

    def finish_piece(self, piece: int) -> None:
        """Note that all parts of a piece are on disk."""
        self._folder.write(_done_name(piece), [b"{}"])
        self._done.add(piece)

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
        self._folder.remove_all()

    def _clear(self) -> None:
        for part in self.parts():
            if part.name:
                self._parts_folder.remove(part.name)
        for name in self._folder.names():
            self._folder.remove(name)


def _done_name(piece: int) -> str:
    return f"{piece:06d}{_DONE}"


def _part_of(content: bytes) -> DonePart:
    found = json.loads(content)
    return DonePart(
        found["name"], found["n_rows"], [BadRow(**bad_row) for bad_row in found["bad_rows"]]
    )


def _differing(folder: OutputFolder, run: Mapping[str, Any]) -> list[str]:
    """What differs from the run whose state a folder holds, if it holds any."""
    if not folder.holds(_RUN_FILE):
        return []
    earlier = json.loads(folder.read(_RUN_FILE))
    return [title for name, title in _TITLES.items() if earlier.get(name) != run[name]]
