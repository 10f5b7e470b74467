"""What a parser reads: a request body in memory, or a file or stream of a training channel."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.parsing import ParsedRows, ParsePolicy, PlanColumns
from mlserver_forest.formats.row_locations import RowLocations


@dataclass(frozen=True, eq=False)
class Source:
    """Bytes to parse.

    Attributes:
        name: of the file or stream, for error messages; empty for a request body.
        content: all bytes, or a stream of them.
    """

    name: str
    content: Body | BinaryIO

    @property
    def subject(self) -> str:
        """What the bytes are called at the start of an error message."""
        return self.name or "the body"

    def whole(self) -> Body:
        """All bytes."""
        if isinstance(self.content, bytes | bytearray):
            return self.content
        return self.content.read()

    def stream(self) -> BinaryIO:
        """The bytes as a stream."""
        if isinstance(self.content, bytes | bytearray):
            return cast("BinaryIO", io.BytesIO(self.content))
        return self.content

    def locations(self, unit: str, first: int = 1) -> RowLocations:
        """Where consecutive rows stand; those of a body are counted as rows, whatever they are."""
        return RowLocations(self.name, unit if self.name else "row", first)


class Parse(Protocol):
    """What a format's ``parse`` is: bytes -> rows, some thousands at a time."""

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
            plan_columns: to be called once, with the columns that were found.
            policy: which errors are raised.
            parameters: of the media type.

        Raises:
            ForestError: the policy's, naming the row, what came and what was expected.
        """
        ...
