"""application/x-parquet: a table in, and one column per output out."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlserver_forest.formats.arrow import arrow_table
from mlserver_forest.formats.arrow.arrow_answers import answer_batches
from mlserver_forest.formats.arrow.arrow_categories import is_text
from mlserver_forest.formats.arrow.written_blocks import Blocks
from mlserver_forest.formats.parquet.parquet_guard import (
    GuardedFile,
    PageBudget,
    RowGroup,
    read_row_groups,
)
from mlserver_forest.formats.parsing import ParsedRows, ParsePolicy, PlanColumns
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.formats.source import Source

# pyarrow gathers a batch from as many row groups as it needs. With batches of half or twice the
# size training takes up to a third more time.
_BATCH_ROWS = 2**16
_BATCH_VALUES = 2**19
_FEWEST_BATCH_ROWS = 256
_ROW_GROUP_ROWS = 100_000
_WRITTEN_BYTES = 2**20


def parse(
    source: Source, plan_columns: PlanColumns, policy: ParsePolicy, parameters: Mapping[str, str]
) -> Iterator[ParsedRows]:
    """Parse a file with a column for each feature, or with one column of lists.

    See ``source.Parse``; the columns are those that ``arrow_table`` finds.
    """
    file = GuardedFile(source.buffer(), source.subject, policy)
    groups = read_row_groups(file)
    with arrow_table.refusing_damage(source, policy, "Parquet file"):
        yield from _parse(source, plan_columns, file, groups)


def _parse(
    source: Source, plan_columns: PlanColumns, guarded: GuardedFile, groups: Sequence[RowGroup]
) -> Iterator[ParsedRows]:
    policy = guarded.policy
    file = pq.ParquetFile(pa.BufferReader(guarded.body), pre_buffer=False)
    n_rows = sum(group.n_rows for group in groups)
    table = arrow_table.TableReader(file.schema_arrow, source, policy, n_rows)
    table.plan(plan_columns)
    leaves = first_leaves(file.schema_arrow)
    if file.metadata.num_columns != leaves.pop():
        raise guarded.damaged("its columns are not those of its schema")
    texts = [c for c in table.columns if is_text(file.schema_arrow.field(c).type)]
    if texts and policy.bounds_texts:
        # As dictionaries, because a short file may repeat a long text without end.
        file = pq.ParquetFile(
            pa.BufferReader(guarded.body),
            pre_buffer=False,
            metadata=file.metadata,
            read_dictionary=texts,
        )
    budget = PageBudget(guarded)
    for group in groups:
        for column in table.columns:
            budget.spend(group, leaves[column], is_text=column in texts)
    for batch in file.reader.iter_batches(
        batch_rows(len(table.columns)),
        list(range(len(groups))),
        column_indices=[leaves[column] for column in table.columns],
        use_threads=policy.uses_threads,
    ):
        batch.validate(full=True)
        yield from table.parse(batch)


def batch_rows(n_columns: int) -> int:
    """The rows to read at a time."""
    return min(max(_FEWEST_BATCH_ROWS, _BATCH_VALUES // max(n_columns, 1)), _BATCH_ROWS)


def first_leaves(table: Any) -> list[int]:
    """The place of each column among those of numbers and text, and how many of these there are.

    A nested column consists of several.
    """
    return [0, *itertools.accumulate(_n_leaves(field.type) for field in table)]


def _n_leaves(kind: Any) -> int:
    if not pa.types.is_nested(kind):
        return 1
    return sum(_n_leaves(kind.field(place).type) for place in range(kind.num_fields))


def encode(predictions: Predictions) -> Iterator[bytes]:
    """A file with one row group per 100,000 rows; rows of numbers are fixed-size lists."""
    return write_file(iter((predictions,)))


def write_file(answers: Iterator[Predictions]) -> Iterator[bytes]:
    """The same for the predictions of one or more consecutive chunks of rows."""
    table, batches = answer_batches(answers)
    return _written(table, _row_groups(table, batches))


def join(paths: Sequence[Path]) -> Iterator[bytes]:
    """Files of ``write_file`` as one."""
    return _written(pq.read_schema(paths[0]), _row_groups_of(paths))


def _row_groups(table: Any, batches: Iterator[Any]) -> Iterator[Any]:
    group, n_rows = list[Any](), 0
    for batch in batches:
        group.append(batch)
        n_rows += batch.num_rows
        if n_rows >= _ROW_GROUP_ROWS:
            yield pa.Table.from_batches(group, table)
            group, n_rows = [], 0
    if group:
        yield pa.Table.from_batches(group, table)


def _row_groups_of(paths: Sequence[Path]) -> Iterator[Any]:
    for path in paths:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group)


def _written(table: Any, row_groups: Iterable[Any]) -> Iterator[bytes]:
    sink = Blocks()
    with pq.ParquetWriter(sink.file, table) as writer:
        for group in row_groups:
            writer.write_table(group)
            yield from sink.take(_WRITTEN_BYTES)
    yield from sink.take(0)
