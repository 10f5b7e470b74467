"""A chunk: some thousands of whole rows of a file, which can be parsed apart from the others.

Batch scoring reads a file as chunks, so that several threads parse and answer at a time, a bad row
is found among its neighbours, and finished parts of a file are skipped without being parsed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.parsing import FoundColumns, ParsedRows, ParsePolicy, PlanColumns
from mlserver_forest.formats.predictions import KeptColumn
from mlserver_forest.formats.source import Source

_NAMES_SHOWN = 8


class Chunk(Protocol):
    """Some whole rows, not parsed yet. Immutable, so that any thread may parse it."""

    @property
    def place(self) -> str:
        """The place of the first row, such as "line 17"."""

    def parse(self, plan_columns: PlanColumns) -> Iterator[ParsedRows]:
        """Parse the rows; as ``source.Parse``.

        Raises:
            ForestError: the policy's, naming file and line, what came and what was expected.
        """

    def kept(self, names: Sequence[str]) -> Mapping[str, KeptColumn]:
        """Columns as they came, by name; of the rows that ``parse`` gives.

        Raises:
            InvalidData: naming a column that the file does not have.
        """

    def halves(self) -> tuple["Chunk", ...]:
        """The rows as two chunks; empty if there are not two."""


@dataclass(frozen=True, eq=False)
class ChunkedFile:
    """A file to be read as chunks, in the order of its rows.

    A format's ``chunks`` turns it into ``Chunk``s, and raises the policy's ForestError if the file
    cannot be read.

    Attributes:
        source: the bytes, as a stream.
        plan_columns: plans the columns that were found.
        keep: the columns that ``Chunk.kept`` will be asked for.
        policy: limits, and the errors to raise.
        parameters: of the media type.
        span: the first row group to read and the first one not to; None for all of a file.
    """

    source: Source
    plan_columns: PlanColumns
    keep: Sequence[str]
    policy: ParsePolicy
    parameters: Mapping[str, str]
    span: tuple[int, int] | None = None

    def kept_places(self, found: FoundColumns) -> Mapping[str, int]:
        """The columns to keep, by name, among those that were found.

        Raises:
            InvalidData: naming the first that is not there, and those that are.
        """
        return dict(zip(self.keep, kept_places(found, self.keep, self.source.subject), strict=True))


ReadChunks = Callable[[ChunkedFile], Iterator[Chunk]]


def kept_places(found: FoundColumns, names: Sequence[str], subject: str) -> list[int]:
    """The columns with these names.

    Raises:
        InvalidData: naming the first that is not there, and those that are.
    """
    if not names:
        return []
    if found.names is None:
        raise InvalidData(
            f"{subject} does not name its columns, so that {format_value(names[0])} cannot be "
            "kept; give it a header line"
        )
    missing = [name for name in names if name not in found.names]
    if missing:
        shown = ", ".join(map(format_value, found.names[:_NAMES_SHOWN]))
        more = ", ..." if len(found.names) > _NAMES_SHOWN else ""
        raise InvalidData(
            f"{subject} does not have the column {format_value(missing[0])}, which is to be kept; "
            f"its columns are {shown}{more}"
        )
    return [found.names.index(name) for name in names]
