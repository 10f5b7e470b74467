"""application/vnd.apache.arrow.stream: a table in, and one column per output out."""

from collections.abc import Iterator, Mapping

import pyarrow as pa

from mlserver_forest.formats.arrow import arrow_table
from mlserver_forest.formats.arrow.arrow_guard import BatchChecker, count_rows
from mlserver_forest.formats.parsing import ParsedRows, ParsePolicy, PlanColumns
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.formats.source import Source

_FILE = b"ARROW1"
_FILE_HEAD_BYTES = 8


def parse(
    source: Source, plan_columns: PlanColumns, policy: ParsePolicy, parameters: Mapping[str, str]
) -> Iterator[ParsedRows]:
    """Parse an IPC stream with a column for each feature, or with one column of lists.

    Its buffers may be compressed; a file, such as Feather, is read as the stream that it holds.
    See ``source.Parse``; the columns are those that ``arrow_table`` finds.
    """
    body = _stream_of(source.buffer())
    if not body:
        raise policy.invalid(f"{source.subject} is empty; expected an Arrow IPC stream")
    n_rows = count_rows(body, source, policy)
    options = pa.ipc.IpcReadOptions(use_threads=False)
    with (
        arrow_table.refusing_damage(source, policy, "Arrow stream"),
        pa.ipc.open_stream(pa.py_buffer(body), options=options) as stream,
    ):
        table = arrow_table.TableReader(stream.schema, source, policy, n_rows)
        table.plan(plan_columns)
        checker = BatchChecker(len(body), policy)
        for batch in stream:
            chosen = batch.select(table.columns)
            checker.check(chosen)
            yield from table.parse(chosen)


def _stream_of(body: memoryview) -> memoryview:
    """The stream that is within a file, as Feather is one: behind its first eight bytes."""
    return body[_FILE_HEAD_BYTES:] if body[: len(_FILE)] == _FILE else body


def encode(predictions: Predictions) -> Iterator[bytes]:
    """A stream of batches of some thousands of rows; rows of numbers are fixed-size lists."""
    table, batches = arrow_table.batches(predictions)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table) as writer:
        for batch in batches:
            writer.write_batch(batch)
    stream = sink.getvalue()
    for start in range(0, stream.size, 2**20):
        yield stream[start : start + 2**20].to_pybytes()
