"""Where the answers go: one file, or a folder with a file for each part of an input file."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats import registry
from mlserver_forest.formats.registry import Format, load
from mlserver_forest.scoring.input_files import chunked_formats
from mlserver_forest.scoring.output_folder import (
    IN_STORE,
    LocalFolder,
    OutputFolder,
    StoreFolder,
    file_system,
)
from mlserver_forest.scoring.pieces import Piece
from mlserver_forest.scoring.run_state import DonePart

# Readers of folders skip names that begin so.
_STATE = "_predict"
_STATE_OF_FILE = ".{}.parts"


@dataclass(frozen=True, slots=True)
class ScoringTarget:
    """Where the answers go.

    Attributes:
        title: the path or the URI, for messages.
        format: of the answers.
        file: the name of the one file; empty if each part of an input has its own.
        folder: where the file or the files of the parts are.
        state: where the state of the run is kept, and the parts of one file.
    """

    title: str
    format: Format
    file: str
    folder: OutputFolder
    state: OutputFolder

    @property
    def parts(self) -> OutputFolder:
        """Where the parts are written: a file is made of them in the end."""
        return self.state if self.file else self.folder

    def check(self, *, overwrites: bool) -> None:
        """Check that nothing would be lost.

        Args:
            overwrites: whether what is there may be replaced.

        Raises:
            InvalidData: naming what is there already.
        """
        if self.file:
            if self.folder.holds(self.file) and not overwrites:
                raise InvalidData(
                    f"{self.title} is there already; give --overwrite to replace it, or another "
                    "--out"
                )
        elif not self.state.is_there() and not self.folder.is_free():
            raise InvalidData(
                f"{self.title} is there already, and no earlier run of forest predict made it; "
                "give a new folder as --out"
            )

    def part_name(self, piece: Piece, part: int, stem: str) -> str:
        """The name of a part's file in ``parts``."""
        if not self.file:
            return f"{stem}-{part:05d}{self.format.extensions[0]}"
        return f"{piece.number:06d}-{part:06d}{self.format.extensions[0]}"

    def finish(self, parts: Sequence[DonePart]) -> None:
        """Make one file of the parts, unless they are files of a folder.

        Raises:
            OSError: if it cannot be written.
        """
        names = [part.name for part in parts if part.name]
        if not self.file or not names:
            return
        assert isinstance(self.state, LocalFolder)  # noqa: S101  # ``target_of`` sees to it
        paths = [self.state.path / name for name in names]
        if len(paths) == 1 and isinstance(self.folder, LocalFolder):
            os.replace(paths[0], self.folder.path / self.file)
        else:
            self.folder.write(self.file, load(self.format.join)(paths))


def target_of(out: str, format_name: str | None, first: Format) -> ScoringTarget:
    """The target that the options name.

    Args:
        out: a file, whose name names its format, or a folder.
        format_name: an extension such as "parquet"; None if the name of the file decides, or for a
            folder the format of the first input file.
        first: the format of the first input file.

    Raises:
        InvalidData: if the two contradict each other, or the URI cannot be opened.
    """
    path = PurePosixPath(out)
    is_folder = out.endswith("/") or (IN_STORE not in out and Path(out).is_dir())
    named = None if is_folder else registry.find_by_file(path.name)
    chosen = registry.find_by_file(f".{format_name}") if format_name else named or first
    assert chosen is not None  # noqa: S101  # The command offers the extensions that there are.
    if named is not None and named is not chosen:
        raise InvalidData(
            f"--out {out} names {named.name}, and --format {chosen.name}; leave one of them out"
        )
    if not chosen.write_file:
        known = ", ".join(each.extensions[0] for each in chunked_formats())
        raise InvalidData(f"{chosen.name} is not written; expected --out with one of {known}")
    file = path.name if named else ""
    return ScoringTarget(out, chosen, file, *(_in_store if IN_STORE in out else _here)(out, file))


def _here(out: str, file: str) -> tuple[OutputFolder, OutputFolder]:
    """The folder of the answers and that of the state on this machine."""
    path = Path(out)
    if file:
        state = LocalFolder(path.with_name(_STATE_OF_FILE.format(file)))
        return LocalFolder(path.parent, state.path), state
    return LocalFolder(path, path / _STATE), LocalFolder(path / _STATE)


def _in_store(out: str, file: str) -> tuple[OutputFolder, OutputFolder]:
    """The same in a store; the parts of one file are put together on this machine."""
    system, path = file_system(out)
    if not file:
        folder = StoreFolder(system, path, out)
        return folder, StoreFolder(system, f"{path}/{_STATE}", f"{out.rstrip('/')}/{_STATE}")
    key = hashlib.sha256(out.encode()).hexdigest()[:16]
    state = LocalFolder(Path(tempfile.gettempdir()) / f"forest-predict-{key}.parts")
    parent, title = path.rpartition("/")[0], out.rpartition("/")[0]
    return StoreFolder(system, parent, title), state
