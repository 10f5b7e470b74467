"""text/libsvm: ``[label] [qid:n] index:value ...`` per line, in only.

A line may end with a ``#`` comment, and a line of nothing else is skipped. Whether
the first feature is 0 or 1 is declared, by the parameter ``index_base`` or by the
schema, and never guessed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.libsvm.libsvm_lines import Entries, LineReader, plain_entries
from mlserver_forest.formats.matrix import Body, Matrix, check_expansion, rows_per_block
from mlserver_forest.schema.schema import Schema

# 64 KB to 512 KB were as fast.
_BLOCK_BYTES = 2**17
# A pair of an index and a value is shorter, unless it is written at great length.
_PAIR_BYTES = 64
_BASES = {"0": 0, "1": 1}


def decode(body: Body, schema: Schema, parameters: Mapping[str, str]) -> NDArray[Any]:
    """Read rows of indexed numbers.

    Args:
        body: the text. Labels and query ids are checked and left out.
        schema: the features; ``absent`` is the value of those that a row leaves out.
        parameters: of the media type; ``index_base`` is the one that counts.

    Returns:
        ``X``: C-contiguous (n_samples, n_features) in the dtype of the schema.

    Raises:
        InvalidInput: naming the row, what came and what was expected.
        PayloadTooLarge: if the matrix is out of proportion to the body.
    """
    if not schema.feature_names:
        raise InvalidInput(
            "a row of text/libsvm does not tell how many features there are, and this model "
            "names none; send text/csv"
        )
    base = _index_base(parameters.get("index_base"), schema)
    n_rows = _most_rows(body)
    check_expansion(n_rows, schema.n_features, schema, len(body))
    matrix = Matrix(schema, n_rows)
    reader = LineReader(schema, base)
    for block in _blocks(body, _BLOCK_BYTES + _PAIR_BYTES * schema.n_features):
        entries = plain_entries(block, schema.n_features, base) if reader.is_open else None
        if entries is None:
            entries = reader.read(block)
        else:
            reader.n_rows += entries.n_rows
        _append(matrix, entries, schema)
    return matrix.finish()


def _index_base(declared: str | None, schema: Schema) -> int:
    if declared is None:
        return schema.index_base
    if declared not in _BASES:
        raise InvalidInput(f"index_base is {format_value(declared)}; expected 0 or 1")
    return _BASES[declared]


def _most_rows(body: Body) -> int:
    """The lines, counted in blocks, for a long count would keep other requests waiting."""
    starts = range(0, len(body), _BLOCK_BYTES)
    return 1 + sum(body.count(b"\n", start, start + _BLOCK_BYTES) for start in starts)


def _blocks(body: Body, longest: int) -> Iterator[bytes]:
    """Whole lines, some at a time."""
    start = 0
    while start < len(body):
        end = len(body)
        if start + _BLOCK_BYTES < end:
            end = body.rfind(b"\n", start, start + _BLOCK_BYTES) + 1
            end = end or body.find(b"\n", start, start + longest) + 1 or len(body)
        if end - start > longest:
            raise InvalidInput(
                f"after byte {start} comes a line of more than {longest} bytes, more than a row "
                "needs"
            )
        yield bytes(body[start:end])
        start = end


def _append(matrix: Matrix, entries: Entries, schema: Schema) -> None:
    step = rows_per_block(schema.n_features)
    for start in range(0, entries.n_rows, step):
        end = min(start + step, entries.n_rows)
        first, last = np.searchsorted(entries.rows, (start, end))
        block = np.full((end - start, schema.n_features), schema.absent_value)
        block[entries.rows[first:last] - start, entries.columns[first:last]] = entries.values[
            first:last
        ]
        matrix.append(block)
