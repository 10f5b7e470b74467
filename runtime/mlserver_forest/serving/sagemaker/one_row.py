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
import orjson
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Prediction
from mlserver_forest.formats.csv import text_csv
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.http import media_types
from mlserver_forest.serving.http.media_types import MediaType

Reader = Callable[[Body], "list[float] | None"]
Writer = Callable[[Prediction], bytes]

_LONGEST = 1 << 14
_PLAIN = b"0123456789+-.eE,"
# Nearer to the largest float32, a number needs a closer look.
_LARGEST = {"FP32": 3.4e38, "FP64": 1.7e308}
# Whole numbers up to here are floats exactly.
_MOST_EXACT = 2**53


class OneRow:
    """The short way for requests with the same headers.

    Args:
        read: the numbers of a body, or None.
        write: the answer's body.
        schema: of the model.
    """

    def __init__(self, read: Reader, write: Writer, schema: Schema) -> None:
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
    read = _READERS.get(media_types.format_of(sent.essence))
    if read is None or set(sent.parameters) - {"charset"} or not schema.n_features:
        return None
    if schema.categories_by_column:
        return None
    kind = media_types.format_of(answer)
    write = None
    if kind == media_types.CSV:
        write = _csv_writer(schema, b"\n" if ends_with_newline else b"")
    elif kind == media_types.JSON:
        write = _json_writer(schema)
    return None if write is None else OneRow(read, write, schema)


def _read_csv(body: Body) -> list[float] | None:
    line = body.removesuffix(b"\n").removesuffix(b"\r")
    if line.translate(None, _PLAIN):
        return None
    try:
        return [float(field) for field in line.split(b",")]
    except ValueError:
        return None


def _read_json(body: Body) -> list[float] | None:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(document, dict):
        if len(document) != 1:
            return None
        document = document.get("instances")
    if not isinstance(document, list) or not document:
        return None
    row = document
    if isinstance(row[0], list):
        if len(row) != 1:
            return None
        row = row[0]
    return [float(value) for value in row] if all(map(_is_exact, row)) else None


def _is_exact(value: Any) -> bool:
    kind = type(value)
    return kind is float or (kind is int and -_MOST_EXACT <= value <= _MOST_EXACT)


_READERS = {media_types.CSV: _read_csv, media_types.JSON: _read_json}


def _csv_writer(schema: Schema, end: bytes) -> Writer | None:
    """The label, of which there are a few, or the number."""
    if schema.kind == "classification":
        lines = [_csv_line(label).removesuffix(b"\n") + end for label in schema.classes]
        return lambda prediction: lines[prediction.positions[0]]
    if schema.kind == "regression" and schema.n_targets == 1:
        return lambda prediction: repr(prediction.values.item()).encode() + end
    return None


def _csv_line(label: Any) -> bytes:
    dtype = object if isinstance(label, str) else None
    return b"".join(text_csv.encode(Predictions({"predicted_label": np.array([label], dtype)})))


def _json_writer(schema: Schema) -> Writer | None:
    if schema.kind == "classification":
        heads = [
            b'{"predictions":[{"predicted_label":%b,"probabilities":' % orjson.dumps(label)
            for label in schema.classes
        ]
        return lambda prediction: (
            b"%b%b}]}"
            % (
                heads[prediction.positions[0]],
                orjson.dumps(prediction.values[0].tolist()),
            )
        )
    if schema.kind == "regression" and schema.n_targets == 1:
        return lambda prediction: (
            b'{"predictions":[{"score":%b}]}' % orjson.dumps(prediction.values.item())
        )
    return None
