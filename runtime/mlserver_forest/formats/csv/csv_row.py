"""One row of plain numbers as CSV, and its answer: the short way of most requests."""

from typing import Any

import numpy as np

from mlserver_forest.formats.csv import text_csv
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.predictions import Predictions, RowWriter
from mlserver_forest.schema.schema import Schema

_PLAIN = b"0123456789+-.eE,"


def read_row(body: Body) -> list[float] | None:
    """The numbers of one line, None if it holds anything but plain numbers."""
    line = body.removesuffix(b"\n").removesuffix(b"\r")
    if line.translate(None, _PLAIN):
        return None
    try:
        return [float(field) for field in line.split(b",")]
    except ValueError:
        return None


def row_writer(schema: Schema, ends_with_newline: bool) -> RowWriter | None:
    """What writes the label, of which there are a few, or the number; None for other models."""
    end = b"\n" if ends_with_newline else b""
    if schema.kind == "classification":
        lines = [_line(label).removesuffix(b"\n") + end for label in schema.classes]
        return lambda answer: lines[answer.positions[0]]
    if schema.kind == "regression" and schema.n_targets == 1:
        return lambda answer: repr(answer.values.item()).encode() + end
    return None


def _line(label: Any) -> bytes:
    dtype = object if isinstance(label, str) else None
    return b"".join(text_csv.encode(Predictions({"predicted_label": np.array([label], dtype)})))
