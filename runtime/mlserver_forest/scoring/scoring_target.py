"""Where the answers go: one file, or a folder with a file for each part of an input file."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats import registry
from mlserver_forest.formats.registry import Format, load
from mlserver_forest.scoring.input_files import chunked_formats
from mlserver_forest.scoring.pieces import Piece
from mlserver_forest.scoring.run_state import DonePart, write_part

# Readers of folders skip names that begin so.
_STATE = "_predict"


@dataclass(frozen=True, slots=True)
class ScoringTarget:
    """Where the answers go.

    Attributes:
        path: the file or the folder.
        is_folder: which of the two it is.
        format: of the answers.
    """

    path: Path
    is_folder: bool
    format: Format

    @property
    def state_folder(self) -> Path:
        """Where the state of the run is kept."""
        if self.is_folder:
            return self.path / _STATE
        return self.path.with_name(f".{self.path.name}.parts")

    @property
    def parts_folder(self) -> Path:
        """Where the parts are written: a file is made of them in the end."""
        return self.path if self.is_folder else self.state_folder

    def check(self, *, overwrites: bool) -> None:
        """Check that nothing would be lost.

        Args:
            overwrites: whether what is there may be replaced.

        Raises:
            InvalidData: naming what is there already.
        """
        if not self.is_folder and self.path.exists() and not overwrites:
            raise InvalidData(
                f"{self.path} is there already; give --overwrite to replace it, or another --out"
            )
        if not self.is_folder or not self.path.exists() or self.state_folder.exists():
            return
        if not self.path.is_dir() or any(self.path.iterdir()):
            raise InvalidData(
                f"{self.path} is there already, and no earlier run of forest predict made it; give "
                "a new folder as --out"
            )

    def part_name(self, piece: Piece, part: int, stem: str) -> str:
        """The name of a part's file below ``parts_folder``."""
        if self.is_folder:
            return f"{stem}-{part:05d}{self.format.extensions[0]}"
        return f"{piece.number:06d}-{part:06d}{self.format.extensions[0]}"

    def finish(self, parts: Sequence[DonePart]) -> None:
        """Make one file of the parts, unless they are files of a folder.

        Raises:
            OSError: if it cannot be written.
        """
        paths = [self.parts_folder / part.name for part in parts if part.name]
        if self.is_folder or not paths:
            return
        if len(paths) == 1:
            os.replace(paths[0], self.path)
        else:
            write_part(self.path, load(self.format.join)(paths), self.state_folder)


def target_of(out: str, format_name: str | None, first: Format) -> ScoringTarget:
    """The target that the options name.

    Args:
        out: a file, whose name names its format, or a folder.
        format_name: an extension such as "parquet"; None if the name of the file decides, or for a
            folder the format of the first input file.
        first: the format of the first input file.

    Raises:
        InvalidData: if the two contradict each other, or the file is not on this machine.
    """
    if "://" in out:
        raise InvalidData(
            f"{format_value(out, 200)} is not on this machine; give a local --out, and copy it "
            "from there, with `aws s3 cp --recursive` for example"
        )
    path = Path(out)
    named = None if out.endswith("/") or path.is_dir() else registry.find_by_file(path.name)
    chosen = registry.find_by_file(f".{format_name}") if format_name else named or first
    assert chosen is not None  # noqa: S101  # The command offers the extensions that there are.
    if named is not None and named is not chosen:
        raise InvalidData(
            f"--out {out} names {named.name}, and --format {chosen.name}; leave one of them out"
        )
    if not chosen.write_file:
        known = ", ".join(each.extensions[0] for each in chunked_formats())
        raise InvalidData(f"{chosen.name} is not written; expected --out with one of {known}")
    return ScoringTarget(path, named is None, chosen)
