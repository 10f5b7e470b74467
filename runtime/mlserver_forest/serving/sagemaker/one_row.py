"""Requests of one row of plain numbers, which is what most requests are.

They skip the messages and blocks that long tables need: bytes to one array, the data plane,
and the prediction to bytes. Whatever is not plain (a missing value, words, quotes, names, a
second row, chosen outputs) takes the long way, and so does what is wrong, which explains it. Both
ways give the same bytes: tests/contract/test_both_ways.py.
"""

from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.predictions import RowWriter
from mlserver_forest.formats.registry import load
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.http.media_types import MediaType, format_of

Reader = Callable[[Body], "list[float] | None"]

_LONGEST = 1 << 14
# Nearer to the largest float32, a number needs a closer look.
_LARGEST = {"FP32": 3.4e38, "FP64": 1.7e308}


class OneRow:
    """The short way for requests with the same headers.

    Args:
        read: the numbers of a body, or None.
        write: the answer's body.
        schema: of the model.
    """

    def __init__(self, read: Reader, write: RowWriter, schema: Schema) -> None:
        self._read = read
        self.write = write
        self._n_features = schema.n_features
        self._dtype = schema.dtype
        self._largest = _LARGEST[schema.datatype]

    def matrix(self, body: Body) -> NDArray[Any] | None:
        """The row, (1, n_features) in the schema's dtype, or None for the long way."""
        if len(body) > _LONGEST:
            return None
        values = self._read(body)
        if values is None or len(values) != self._n_features or not isfinite(sum(values)):
            return None
        if max(values) > self._largest or min(values) < -self._largest:
            return None
        return np.array((values,), self._dtype)


def one_row(sent: MediaType, answer: str, schema: Schema, ends_with_newline: bool) -> OneRow | None:
    """The short way, where there is one and no outputs are chosen by name."""
    read, writer = format_of(sent.essence).read_row, format_of(answer).row_writer
    if not read or not writer or set(sent.parameters) - {"charset"} or not schema.n_features:
        return None
    if schema.categories_by_column:
        return None
    write = load(writer)(schema, ends_with_newline)
    return None if write is None else OneRow(load(read), write, schema)
