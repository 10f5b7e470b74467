"""application/vnd.apache.arrow.stream: a table in, and one column per output out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from mlserver_forest.formats.arrow import arrow_table
from mlserver_forest.formats.arrow.arrow_answers import answer_batches
from mlserver_forest.formats.arrow.arrow_guard import BatchChecker, count_rows
from mlserver_forest.formats.arrow.written_blocks import Blocks
from mlserver_forest.formats.parsing import ParsedRows, ParsePolicy, PlanColumns
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.formats.source import Source

_FILE = b"ARROW1"
FILE_HEAD_BYTES = 8
_WRITTEN_BYTES = 2**20


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
    return body[FILE_HEAD_BYTES:] if is_file(bytes(body[:FILE_HEAD_BYTES])) else body


def is_file(head: bytes) -> bool:
    """Whether bytes begin a file, which holds a stream behind its first ``FILE_HEAD_BYTES``."""
    return head.startswith(_FILE)


def encode(predictions: Predictions) -> Iterator[bytes]:
    """A stream of batches of some thousands of rows; rows of numbers are fixed-size lists."""
    return write_file(iter((predictions,)))


def write_file(answers: Iterator[Predictions]) -> Iterator[bytes]:
    """The same for the predictions of one or more consecutive chunks of rows."""
    return _written(*answer_batches(answers))


def join(paths: Sequence[Path]) -> Iterator[bytes]:
    """Files of ``write_file`` as one."""
    with pa.ipc.open_stream(paths[0].open("rb")) as stream:
        table = stream.schema
    return _written(table, _batches_of(paths))


def _batches_of(paths: Sequence[Path]) -> Iterator[Any]:
    for path in paths:
        with path.open("rb") as file, pa.ipc.open_stream(file) as stream:
            yield from stream


def _written(table: Any, batches: Iterable[Any]) -> Iterator[bytes]:
    sink = Blocks()
    with pa.ipc.new_stream(sink.file, table) as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield from sink.take(_WRITTEN_BYTES)
    yield from sink.take(0)
