"""Arrow streams and files, such as Feather, as chunks, without reading all of them at once."""

import io
from collections.abc import Iterator
from typing import cast

import pyarrow as pa

from mlserver_forest.formats.arrow.arrow_stream import FILE_HEAD_BYTES, is_file
from mlserver_forest.formats.arrow.arrow_table import TableReader, refusing_damage
from mlserver_forest.formats.arrow.table_chunks import TableChunk
from mlserver_forest.formats.chunk import Chunk, ChunkedFile
from mlserver_forest.formats.matrix import rows_per_block


def chunks(file: ChunkedFile) -> Iterator[Chunk]:
    """Read batches, of which one is in memory at a time."""
    source, policy = file.source, file.policy
    content = cast("io.BufferedReader", source.content)
    if is_file(content.peek(FILE_HEAD_BYTES)):
        content.read(FILE_HEAD_BYTES)
    with refusing_damage(source, policy, "Arrow stream"), pa.ipc.open_stream(content) as stream:
        table = TableReader.of_file(stream.schema, source, policy, file.plan_columns)
        kept = file.kept_places(table.found)
        columns, first = sorted({*table.columns, *kept.values()}), 1
        for batch in stream:
            chosen = batch.select(columns)
            step = rows_per_block(len(columns))
            for start in range(0, batch.num_rows, step):
                yield TableChunk(chosen.slice(start, step), first + start, table, columns, kept)
            first += batch.num_rows
