"""Batches of a table as chunks, for Arrow and Parquet."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyarrow import types

from mlserver_forest.formats.arrow.arrow_table import TableReader, refusing_damage
from mlserver_forest.formats.chunk import Chunk
from mlserver_forest.formats.parsing import ParsedRows, PlanColumns
from mlserver_forest.formats.predictions import KeptColumn


@dataclass(frozen=True, eq=False)
class TableChunk:
    """Some rows of a table.

    Attributes:
        batch: pyarrow's RecordBatch of the columns that are read and of those that are kept.
        first: the number of the first row, from 1.
        table: reads its rows.
        columns: the table's columns that the batch has, in the batch's order.
        kept_columns: the table's columns that are kept, by name.
    """

    batch: Any
    first: int
    table: TableReader
    columns: Sequence[int]
    kept_columns: Mapping[str, int]

    @property
    def place(self) -> str:
        return f"row {self.first}"

    def parse(self, plan_columns: PlanColumns) -> Iterator[ParsedRows]:
        table = self.table
        plan_columns(table.found)
        if not self.batch.num_rows:
            return
        with refusing_damage(table.source, table.policy, "table"):
            self.batch.validate(full=True)
            batch = self.batch.select([self.columns.index(column) for column in table.columns])
            yield from table.read(batch, self.first)

    def kept(self, names: Sequence[str]) -> Mapping[str, KeptColumn]:
        """The columns, without pyarrow's dictionaries."""
        found = {
            name: self.batch.column(self.columns.index(self.kept_columns[name])) for name in names
        }
        return {
            name: values.dictionary_decode() if types.is_dictionary(values.type) else values
            for name, values in found.items()
        }

    def halves(self) -> tuple[Chunk, ...]:
        half = self.batch.num_rows // 2
        if not half:
            return ()
        parts = ((self.batch.slice(0, half), 0), (self.batch.slice(half), half))
        return tuple(
            TableChunk(batch, self.first + start, self.table, self.columns, self.kept_columns)
            for batch, start in parts
        )
