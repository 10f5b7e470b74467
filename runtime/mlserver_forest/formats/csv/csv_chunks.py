"""CSV as chunks: blocks of whole records, each with the columns that the first record names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mlserver_forest.formats.chunk import Chunk, ChunkedFile, kept_places
from mlserver_forest.formats.csv.csv_input import plain
from mlserver_forest.formats.csv.csv_parser import BlockParser
from mlserver_forest.formats.csv.csv_records import records_end
from mlserver_forest.formats.csv.text_csv import blocks_of
from mlserver_forest.formats.parsing import (
    ColumnPlan,
    FoundColumns,
    ParsedRows,
    ParsePolicy,
    PlanColumns,
)
from mlserver_forest.formats.predictions import KeptColumn
from mlserver_forest.formats.text_blocks import TextBlock, count_lines


def chunks(file: ChunkedFile) -> Iterator[Chunk]:
    """Read blocks of records."""
    source = plain(file.source, file.policy, file.parameters)
    for number, (block, found) in enumerate(blocks_of(source, file.policy, file.parameters)):
        if not number:
            file.kept_places(found)
        yield CsvChunk(block, found, file.policy, is_first=not number)


@dataclass(frozen=True, eq=False)
class CsvChunk:
    """Whole records.

    Attributes:
        block: the text.
        found: the columns of the file.
        policy: the errors to raise.
        is_first: whether these are the first records of the file, which may be a header.
    """

    block: TextBlock
    found: FoundColumns
    policy: ParsePolicy
    is_first: bool = False

    @property
    def place(self) -> str:
        return f"line {self.block.first_line}"

    def parse(self, plan_columns: PlanColumns) -> Iterator[ParsedRows]:
        parser = BlockParser.of(self.block, self.found, plan_columns, self.policy)
        rows, fault = parser.parse(int(not self.is_first))
        if len(rows):
            yield rows
        if fault is not None:
            raise fault

    def kept(self, names: Sequence[str]) -> Mapping[str, KeptColumn]:
        """The texts of columns, as pyarrow's strings."""
        columns = kept_places(self.found, names, self.block.name)
        dtype = np.dtype(np.float64)
        names_found = self.found.names or ()
        plan = ColumnPlan(
            self.found.width, (), columns, dtype, "", names=names_found, is_exact=True
        )
        rows, fault = BlockParser(self.block, plan, self.found.names, self.policy).parse(1)
        if fault is not None:
            raise fault
        texts = (rows.texts[column] for column in columns)
        return {
            name: pa.array(found, pa.string()) if isinstance(found, list) else found
            for name, found in zip(names, texts, strict=True)
        }

    def halves(self) -> tuple[Chunk, ...]:
        text = self.block.content()
        cut = _middle(text)
        if cut >= len(text):
            return ()
        name, line = self.block.name, self.block.first_line
        first = TextBlock(name, text[:cut], line)
        rest = TextBlock(name, text[cut:], line + count_lines(text, 0, cut))
        return (
            CsvChunk(first, self.found, self.policy, self.is_first),
            CsvChunk(rest, self.found, self.policy),
        )


def _middle(text: bytes) -> int:
    """Where a record ends, as near to the middle as can be told; the length if there is one."""
    stop = len(text) // 2
    while stop < len(text):
        if cut := records_end(text, 0, stop):
            return cut
        ends = [end for end in (text.find(b"\n", stop), text.find(b"\r", stop)) if end >= 0]
        stop = min(ends, default=len(text)) + 1
    return len(text)
