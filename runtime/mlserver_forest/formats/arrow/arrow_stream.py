"""application/vnd.apache.arrow.stream: a table in, and one column per output out."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.arrow import arrow_table
from mlserver_forest.formats.arrow.arrow_messages import count_rows
from mlserver_forest.formats.arrow.arrow_validity import BatchChecker
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.schema.schema import Schema

_UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError, ValueError, OverflowError)


def decode(body: Body, schema: Schema, parameters: Mapping[str, str]) -> NDArray[Any]:
    """Read a table with a column per feature, or with one column of lists.

    Args:
        body: an Arrow IPC stream, its buffers compressed or not.
        schema: the features; columns are matched as ``arrow_table.layout`` says.
        parameters: of the media type; none counts.

    Returns:
        ``X``: C-contiguous (n_samples, n_features) in the dtype of the schema; NaN where a
        value is null.

    Raises:
        InvalidInput: naming the column, what came and what was expected.
        PayloadTooLarge: if the stream inflates out of proportion.
    """
    if not body:
        raise InvalidInput("the body is empty; send an Arrow IPC stream")
    view = memoryview(body)
    n_rows = count_rows(view, schema)
    try:
        return _read(view, n_rows, schema)
    except _UNREADABLE as error:
        raise InvalidInput(f"the body is no readable Arrow stream: {_reason(error)}") from error


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


def _read(body: memoryview, n_rows: int, schema: Schema) -> NDArray[Any]:
    options = pa.ipc.IpcReadOptions(use_threads=False)
    with pa.ipc.open_stream(pa.py_buffer(body), options=options) as stream:
        found = arrow_table.layout(stream.schema, schema)
        matrix = arrow_table.matrix(found, stream.schema, n_rows, schema, len(body))
        checker = BatchChecker(len(body))
        for batch in stream:
            chosen = batch.select(found.columns)
            checker.check(chosen)
            if len(matrix) + chosen.num_rows > n_rows:
                raise InvalidInput("the Arrow stream holds more rows than its batches declare")
            arrow_table.append(chosen, found, schema, matrix)
        return matrix.finish()


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
