"""application/x-parquet: a table in, and one column per output out."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.arrow import arrow_table
from mlserver_forest.formats.arrow.arrow_categories import is_text
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.parquet.parquet_pages import PageBudget, RowGroup, row_groups
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.schema.schema import Schema

# pyarrow gathers a batch from as many row groups as it needs.
_BATCH_ROWS = 2**16
_BATCH_VALUES = 2**20
_FEWEST_BATCH_ROWS = 256
# In blocks of 4096 rows.
_ROW_GROUP_BLOCKS = 25
_WRITTEN_BYTES = 2**20
_UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError, ValueError, OverflowError)


def decode(body: Body, schema: Schema, parameters: Mapping[str, str]) -> NDArray[Any]:
    """Read a table with a column per feature, or with one column of lists.

    Args:
        body: the file.
        schema: the features; columns are matched as ``arrow_table.layout`` says.
        parameters: of the media type; none counts.

    Returns:
        ``X``: C-contiguous (n_samples, n_features) in the dtype of the schema; NaN where a
        value is null.

    Raises:
        InvalidInput: naming the column, what came and what was expected.
        PayloadTooLarge: if the file inflates out of proportion.
    """
    view = memoryview(body)
    groups = row_groups(view)
    try:
        return _read(view, groups, schema)
    except _UNREADABLE as error:
        raise InvalidInput(f"the body is no readable Parquet file: {_reason(error)}") from error


def encode(predictions: Predictions) -> Iterator[bytes]:
    """A file with one row group per 100,000 rows; rows of numbers are fixed-size lists."""
    table, batches = arrow_table.batches(predictions)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table) as writer:
        while group := list(itertools.islice(batches, _ROW_GROUP_BLOCKS)):
            writer.write_table(pa.Table.from_batches(group))
    file = sink.getvalue()
    for start in range(0, file.size, _WRITTEN_BYTES):
        yield file[start : start + _WRITTEN_BYTES].to_pybytes()


def _read(body: memoryview, groups: Sequence[RowGroup], schema: Schema) -> NDArray[Any]:
    file = pq.ParquetFile(pa.BufferReader(body), pre_buffer=False)
    found = arrow_table.layout(file.schema_arrow, schema)
    if file.metadata.num_columns != len(file.schema_arrow):
        raise InvalidInput("the table has nested columns; expected one number per column")
    texts = [column for column in found.columns if is_text(file.schema_arrow.field(column).type)]
    if texts:  # As dictionaries, for a short file may repeat a long word without end.
        file = pq.ParquetFile(
            pa.BufferReader(body),
            pre_buffer=False,
            metadata=file.metadata,
            read_dictionary=texts,
        )
    n_rows = sum(group.n_rows for group in groups)
    rows = arrow_table.matrix(found, file.schema_arrow, n_rows, schema, len(body))
    budget = PageBudget(body)
    for group in groups:
        for column in found.columns:
            budget.spend(group, column, is_text=column in texts)
    batch_rows = max(_FEWEST_BATCH_ROWS, _BATCH_VALUES // len(found.columns))
    for batch in file.reader.iter_batches(
        min(batch_rows, _BATCH_ROWS),
        list(range(len(groups))),
        column_indices=list(found.columns),
        use_threads=False,
    ):
        batch.validate(full=True)
        if len(rows) + batch.num_rows > n_rows:
            raise InvalidInput("the Parquet file holds more rows than its row groups declare")
        arrow_table.append(batch, found, schema, rows)
    return rows.finish()


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
