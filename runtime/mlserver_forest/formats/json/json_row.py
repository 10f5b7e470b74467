"""One row of plain numbers as JSON, and its answer: the short way of most requests."""

from typing import Any

import orjson

from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.predictions import RowWriter
from mlserver_forest.schema.schema import Schema

# Whole numbers up to here are floats exactly.
_MOST_EXACT = 2**53


def read_row(body: Body) -> list[float] | None:
    """The numbers of a lone row, bare, as ``instances`` or ``features``; None for anything else."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(document, dict):
        if len(document) != 1:
            return None
        if type(document.get("features")) is list:
            return _numbers(document["features"])
        document = document.get("instances")
    if not isinstance(document, list) or not document:
        return None
    row = document
    if isinstance(row[0], list):
        if len(row) != 1:
            return None
        row = row[0]
    return _numbers(row)


def row_writer(schema: Schema, ends_with_newline: bool) -> RowWriter | None:
    """A function that writes the document with one prediction; None for other models."""
    if schema.kind == "classification":
        heads = [
            b'{"predictions":[{"predicted_label":%b,"probabilities":' % orjson.dumps(label)
            for label in schema.classes
        ]
        return lambda answer: (
            b"%b%b}]}" % (heads[answer.positions[0]], orjson.dumps(answer.values[0].tolist()))
        )
    if schema.kind == "regression" and schema.n_targets == 1:
        return lambda answer: b'{"predictions":[{"score":%b}]}' % orjson.dumps(answer.values.item())
    return None


def _numbers(row: list[Any]) -> list[float] | None:
    return [float(value) for value in row] if row and all(map(_is_exact, row)) else None


def _is_exact(value: Any) -> bool:
    kind = type(value)
    return kind is float or (kind is int and -_MOST_EXACT <= value <= _MOST_EXACT)
