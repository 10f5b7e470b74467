"""The input of a parser: a request body in memory, or a file or stream of a training channel."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import pyarrow as pa
from numpy.typing import NDArray

from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.note import Note
from mlserver_forest.formats.parsing import ParsedRows, ParsePolicy, PlanColumns
from mlserver_forest.formats.row_locations import RowLocations

# Below this a copy is faster than Arrow's reader, which makes none.
_FEW_BYTES = 2**14


def _ignore(_: Note) -> None:
    """A request needs no notes."""


@dataclass(frozen=True, eq=False)
class Source:
    """Bytes to parse.

    Attributes:
        name: of the file or stream, for error messages; empty for a request body.
        content: all bytes, or a stream of them.
        path: of a file whose bytes these are, and which may be mapped into memory.
        width: the number of columns that are expected; 0 if it is not known.
        names: of these columns, if they are known.
        note: called with what a parser found out about a file that its owner may want to know.
        declared: names of columns that settings use, which tell a header from a row.
    """

    name: str
    content: Body | BinaryIO
    path: Path | None = None
    width: int = 0
    names: tuple[str, ...] | None = None
    note: Callable[[Note], None] = _ignore
    declared: frozenset[str] = frozenset()

    @property
    def subject(self) -> str:
        """The name of the bytes at the start of an error message."""
        return self.name or "the body"

    def is_blank(self) -> bool:
        """Whether all bytes of a request body are white space."""
        body = self.content
        return isinstance(body, bytes | bytearray) and (
            not body or (body[:64].isspace() and body.isspace())
        )

    def buffer(self) -> memoryview:
        """All bytes; a file that is not compressed is mapped, and read as it is used."""
        if isinstance(self.content, bytes | bytearray):
            return memoryview(self.content)
        if self.path is not None:
            # Some network file systems cannot be mapped.
            with suppress(OSError), pa.memory_map(str(self.path)) as file:
                return memoryview(file.read_buffer()).cast("B")  # Arrow's bytes are signed.
        return memoryview(self.content.read())

    def stream(self) -> BinaryIO:
        """The bytes as a stream."""
        if not isinstance(self.content, bytes | bytearray):
            return self.content
        if len(self.content) < _FEW_BYTES:
            return io.BytesIO(self.content)
        return cast("BinaryIO", pa.BufferReader(self.content))

    def locations(self, unit: str, first: int = 1) -> RowLocations:
        """The locations of consecutive rows, which are counted as "row" in a request body."""
        return RowLocations(self.name, unit if self.name else "row", first)


# What a format's ``plain_reader`` returns for a schema: it turns a short plain body at once into
# (n_samples, n_features), with the codes of categories and NaN where a value is missing, and
# anything else into None.
ReadPlain = Callable[[Body], NDArray[Any] | None]


class Parse(Protocol):
    """A format's ``parse``: bytes -> rows, some thousands at a time."""

    def __call__(
        self,
        source: Source,
        plan_columns: PlanColumns,
        policy: ParsePolicy,
        parameters: Mapping[str, str],
    ) -> Iterator[ParsedRows]:
        """Parse rows.

        Args:
            source: the bytes.
            plan_columns: to be called with the columns that were found, before the rows of a
                block are parsed; once, or for each block anew if ``policy.is_training``.
            policy: limits, and the errors to raise.
            parameters: of the media type.

        Raises:
            ForestError: the policy's, naming the row, what came and what was expected.
        """
        ...
