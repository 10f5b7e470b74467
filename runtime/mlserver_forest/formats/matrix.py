"""The matrix that a model reads, filled block by block, so that a large body exists only once."""

from typing import Any

from numpy.typing import NDArray

from mlserver_forest import cancellation
from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.formats.row_array import RowArray
from mlserver_forest.schema.schema import Schema

Body = bytes | bytearray

# A body may declare far more than it holds, as with rows without values or compressed columns.
# The decoded matrix may have this many bytes, or this many times the bytes of the body.
MOST_EXPANDED_BYTES = 128 * 2**20
MOST_EXPANSION = 20

# A model without names takes any width, and each column gets a name for error messages.
MOST_UNNAMED_COLUMNS = 100_000

_BLOCK_VALUES = 2**17
_FEWEST_BLOCK_ROWS = 64


def most_expanded(body_bytes: int) -> int:
    """The bytes that a body may decode to."""
    return max(MOST_EXPANDED_BYTES, MOST_EXPANSION * body_bytes)


def check_expansion(n_rows: int, n_columns: int, schema: Schema, body_bytes: int) -> None:
    """Refuse a matrix that is out of proportion before memory is allocated for it.

    Raises:
        PayloadTooLarge: if it has more bytes than ``most_expanded``.
    """
    if not schema.feature_names and n_columns > MOST_UNNAMED_COLUMNS:
        raise PayloadTooLarge(
            f"the body has {n_columns} columns; a model that names no features reads at most "
            f"{MOST_UNNAMED_COLUMNS}"
        )
    decoded = n_rows * n_columns * schema.dtype.itemsize
    if decoded > MOST_EXPANDED_BYTES and decoded > most_expanded(body_bytes):
        raise PayloadTooLarge(
            f"the body of {body_bytes} bytes decodes to {n_rows} rows of {n_columns} values, "
            f"{decoded} bytes; at most {most_expanded(body_bytes)} are allowed; "
            "send fewer rows at a time"
        )


def rows_per_block(n_columns: int) -> int:
    """The rows to convert at a time, about a megabyte, so that other requests need not wait."""
    return max(_FEWEST_BLOCK_ROWS, _BLOCK_VALUES // max(n_columns, 1))


class Matrix:
    """Rows in the dtype that the model reads, checked as they come.

    Args:
        schema: the features; rows may have any width if it names none.
        n_rows: how many rows will come, if that is known and ``check_expansion`` let it pass.
    """

    def __init__(self, schema: Schema, n_rows: int = 0) -> None:
        self._schema = schema
        self._expected = n_rows
        self._rows: RowArray | None = None

    def __len__(self) -> int:
        return 0 if self._rows is None else len(self._rows)

    def append(self, values: NDArray[Any]) -> None:
        """Check rows and keep them.

        Args:
            values: numbers of any dtype, (n, n_features); NaN is a missing value.

        Raises:
            InvalidInput: as ``Schema.conform``.
        """
        cancellation.check()
        if self._rows is None:
            self._schema = self._schema.with_width(values.shape[1])
            n_rows = max(len(values), self._expected)
            self._rows = RowArray(values.shape[1], self._schema.dtype, n_rows)
        self._rows.append(self._schema.conform(values, len(self._rows)))

    def finish(self) -> NDArray[Any]:
        """All rows.

        Returns:
            C-contiguous (n_samples, n_features) in the dtype of the schema.

        Raises:
            InvalidInput: if there are none.
        """
        if self._rows is None or not len(self._rows):
            raise InvalidInput(
                f"there is no row; expected rows of {self._schema.describe()} values"
            )
        return self._rows.finish()
