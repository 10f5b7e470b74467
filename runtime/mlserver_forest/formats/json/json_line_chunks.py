"""JSON lines as chunks: blocks of whole lines, each of which names its own columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlserver_forest.errors import format_value
from mlserver_forest.formats.chunk import Chunk, ChunkedFile
from mlserver_forest.formats.json.application_jsonlines import line_blocks, parse_block
from mlserver_forest.formats.json.json_rows import JsonRows
from mlserver_forest.formats.json.json_source import JsonSource
from mlserver_forest.formats.parsing import ParsedRows, PlanColumns
from mlserver_forest.formats.predictions import KeptColumn
from mlserver_forest.formats.row_locations import RowLocations


def chunks(file: ChunkedFile) -> Iterator[Chunk]:
    """Read blocks of lines."""
    lines, first = JsonSource.of(file.source, file.policy), 1

    def next_line() -> int:
        return first

    for text in line_blocks(file.source.stream().read, lines, next_line):
        yield JsonLinesChunk(text, first, lines)
        first += text.count(b"\n")


@dataclass(frozen=True, eq=False)
class JsonLinesChunk:
    """Whole lines.

    Attributes:
        text: the lines.
        first: the number of the first line.
        source: of the lines.
    """

    text: bytes
    first: int
    source: JsonSource

    @property
    def place(self) -> str:
        return f"line {self.first}"

    def parse(self, plan_columns: PlanColumns) -> Iterator[ParsedRows]:
        values, locations = self._rows()
        if values:
            yield from JsonRows(plan_columns, self.source).parse(values, locations)

    def kept(self, names: Sequence[str]) -> Mapping[str, KeptColumn]:
        """The values of columns, as lists."""
        rows, locations = self._rows()
        for number, row in enumerate(rows):
            missing = [name for name in names if not isinstance(row, dict) or name not in row]
            if missing:
                raise self.source.policy.invalid(
                    f"{locations.at(number)} does not have {format_value(missing[0])}, which is "
                    "to be kept; give each row an object with that name, and null for no value"
                )
        return {name: [row[name] for row in rows] for name in names}

    def halves(self) -> tuple[Chunk, ...]:
        text = self.text
        end = text.rfind(b"\n", 0, len(text) // 2) + 1 or text.find(b"\n") + 1
        if not 0 < end < len(text):
            return ()
        n_lines = text.count(b"\n", 0, end)
        return (
            JsonLinesChunk(text[:end], self.first, self.source),
            JsonLinesChunk(text[end:], self.first + n_lines, self.source),
        )

    def _rows(self) -> tuple[Sequence[Any], RowLocations]:
        lines = self.text.removesuffix(b"\n").split(b"\n")
        values, numbers = parse_block(lines, self.first, self.source)
        return values, RowLocations.of_lines(self.source.name, numbers)
