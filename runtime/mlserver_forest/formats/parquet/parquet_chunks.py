"""Parquet files as chunks, and as spans of row groups that can be read apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlserver_forest.formats.arrow.arrow_table import TableReader, refusing_damage
from mlserver_forest.formats.arrow.table_chunks import TableChunk
from mlserver_forest.formats.chunk import Chunk, ChunkedFile
from mlserver_forest.formats.parquet.x_parquet import batch_rows, first_leaves
from mlserver_forest.formats.parsing import ParsePolicy
from mlserver_forest.formats.source import Source

# Pages are read by so many bytes, rather than a whole column of a row group.
_BUFFER_BYTES = 2**18


def chunks(file: ChunkedFile) -> Iterator[Chunk]:
    """Read batches of row groups."""
    source, policy = file.source, file.policy
    with refusing_damage(source, policy, "Parquet file"), _opened(source) as opened:
        stored = pq.ParquetFile(opened, pre_buffer=False, buffer_size=_BUFFER_BYTES)
        names, metadata = stored.schema_arrow, stored.metadata
        table = TableReader.of_file(names, source, policy, file.plan_columns)
        kept = file.kept_places(table.found)
        columns, leaves = sorted({*table.columns, *kept.values()}), first_leaves(names)
        start, stop = file.span or (0, metadata.num_row_groups)
        first = 1 + sum(metadata.row_group(group).num_rows for group in range(start))
        for batch in stored.reader.iter_batches(
            batch_rows(len(columns)),
            list(range(start, stop)),
            column_indices=[
                leaf for column in columns for leaf in range(leaves[column], leaves[column + 1])
            ],
            use_threads=policy.uses_threads,
        ):
            yield TableChunk(batch, first, table, columns, kept)
            first += batch.num_rows


def spans(source: Source, policy: ParsePolicy, span_rows: int) -> list[tuple[int, int, int]]:
    """Spans of row groups, and the rows of each.

    Args:
        source: of a file.
        policy: the errors to raise.
        span_rows: the most rows of a span, unless a row group has more.

    Raises:
        ForestError: the policy's, if the file cannot be read.
    """
    found, start, n_rows = list[tuple[int, int, int]](), 0, 0
    with refusing_damage(source, policy, "Parquet file"), _opened(source) as stored:
        metadata = pq.ParquetFile(stored).metadata
        for group in range(metadata.num_row_groups):
            more = metadata.row_group(group).num_rows
            if n_rows and n_rows + more > span_rows:
                found.append((start, group, n_rows))
                start, n_rows = group, 0
            n_rows += more
        return [*found, (start, metadata.num_row_groups, n_rows)] if n_rows else found


@contextmanager
def _opened(source: Source) -> Iterator[Any]:
    """Pyarrow's file: it reads where it needs to, not through Python."""
    content: Any = source.content
    stored = getattr(content, "raw", None)
    if source.path is None and isinstance(stored, pa.NativeFile):
        yield stored  # Whoever opened it closes it.
        return
    path = source.path
    with pa.BufferReader(content.read()) if path is None else pa.OSFile(str(path)) as file:
        yield file
