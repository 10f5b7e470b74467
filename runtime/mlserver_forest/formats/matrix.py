"""How large the matrix of a request may be, in proportion to its body, and its blocks."""

from functools import cache

from mlserver_forest.errors import PayloadTooLarge
from mlserver_forest.resources import total_memory
from mlserver_forest.schema.schema import Schema

Body = bytes | bytearray

# A body may declare far more than it holds, as with rows without values or compressed columns.
# The decoded matrix may have this many bytes, or this many times the bytes of the body.
MOST_EXPANDED_BYTES = 128 * 2**20
MOST_EXPANSION = 20
# No more than this share of the memory: decoding takes up to four times the matrix. What a body
# may take in any case was promised before it was read.
_MEMORY_SHARE = 16
_PROMISED = 4

# A model without names takes any width, and each column gets a name for error messages.
MOST_UNNAMED_COLUMNS = 100_000

_BLOCK_VALUES = 2**17
_FEWEST_BLOCK_ROWS = 64


def most_expanded(body_bytes: int) -> int:
    """The bytes that a body may decode to."""
    in_proportion = max(MOST_EXPANDED_BYTES, MOST_EXPANSION * body_bytes)
    return max(min(in_proportion, _memory_bytes() // _MEMORY_SHARE), _PROMISED * body_bytes)


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
    if decoded > _PROMISED * body_bytes and decoded > most_expanded(body_bytes):
        raise PayloadTooLarge(
            f"the body of {body_bytes} bytes decodes to {n_rows} rows of {n_columns} values, "
            f"{decoded} bytes; at most {most_expanded(body_bytes)} are allowed; "
            "send fewer rows at a time"
        )


def rows_per_block(n_columns: int) -> int:
    """The rows to convert at a time, about a megabyte, so that other requests need not wait."""
    return max(_FEWEST_BLOCK_ROWS, _BLOCK_VALUES // max(n_columns, 1))


@cache
def _memory_bytes() -> int:
    return total_memory()
