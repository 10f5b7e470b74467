"""text/csv in an answer: one label or number per line, or a field for each chosen output."""

import json
import math
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.formats.predictions import (
    KeptColumn,
    PredictionBlock,
    Predictions,
    RowWriter,
)
from mlserver_forest.schema.schema import Schema

_QUOTED = ',"\r\n'
# About 300 KB of probabilities.
_BLOCK_CELLS = 2**14
_COPIED_BYTES = 2**20


def encode(predictions: Predictions) -> Iterator[bytes]:
    """One row per line, each line ended, as AWS's sample answers.

    A lone output that was not asked for by name is written as it is, several numbers of
    a row side by side; outputs chosen by name follow AWS's XGBoost image: in the
    order in which they were chosen, a list as quoted text, ``"[0.1, 0.9]"``.
    """
    cells = _Cells()
    for block in predictions.blocks():
        n_columns = sum(
            column[0].size if column.ndim > 1 else 1 for column in block.columns.values()
        )
        lines = _lines(block, cells)
        while text := "\n".join(islice(lines, _BLOCK_CELLS // n_columns + 1)):
            yield (text + "\n").encode()


def write_file(answers: Iterator[Predictions]) -> Iterator[bytes]:
    """A header line, and the predictions of one or more consecutive chunks of rows."""
    first = next(answers)
    yield (",".join(map(_cell, [*first.kept, *first.columns])) + "\n").encode()
    for predictions in chain((first,), answers):
        yield from encode(predictions)


def join(paths: Sequence[Path]) -> Iterator[bytes]:
    """Files of ``write_file`` as one."""
    for number, path in enumerate(paths):
        with path.open("rb") as file:
            header = file.readline()
            while header.count(b'"') % 2:  # A name may hold a line end.
                header += file.readline()
            if not number:
                yield header
            while block := file.read(_COPIED_BYTES):
                yield block


def row_writer(schema: Schema, ends_with_newline: bool) -> RowWriter | None:
    """A function that writes the label or the number of one row; None for other models."""
    end = b"\n" if ends_with_newline else b""
    if schema.kind == "classification":
        lines = [_line(label).removesuffix(b"\n") + end for label in schema.classes]
        return lambda answer: lines[answer.positions[0]]
    if schema.kind == "regression" and schema.n_targets == 1:
        return lambda answer: repr(answer.values.item()).encode() + end
    return None


class _Cells(dict[str, str]):
    """Labels as cells hold them; a few stand in many rows."""

    def __missing__(self, label: str) -> str:
        cell = self[label] = _cell(label)
        return cell


def _cell(text: str) -> str:
    if text and not any(character in text for character in _QUOTED):
        return text
    return '"' + text.replace('"', '""') + '"'


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _list_cell(values: Any) -> str:
    """Several values in one cell, as JSON; null stands for a missing number."""
    known = [None if _is_nan(value) else value for value in values]
    return _cell(json.dumps(known, ensure_ascii=False))


def _lines(block: PredictionBlock, cells: _Cells) -> Iterator[str]:
    columns = list(block.columns.values())
    if len(columns) > 1 or block.are_selected:
        kept = (map(_kept, _listed(values)) for values in block.kept.values())
        chosen = (_chosen(block, name, cells) for name in block.columns)
        return map(",".join, zip(*kept, *chosen, strict=True))
    if columns[0].ndim == 1:
        return _texts(columns[0], cells)
    return (",".join(_texts(row, cells)) for row in columns[0])


def _chosen(block: PredictionBlock, name: str, cells: _Cells) -> Iterator[str]:
    """The cells of an output that was chosen by name."""
    sets = block.sets(name)
    if sets is not None:
        return (_list_cell(row) for row in sets)
    return _texts(block.columns[name], cells)


def _listed(values: KeptColumn) -> list[Any]:
    return values if isinstance(values, list) else list(values.to_pylist())


def _kept(value: Any) -> str:
    """A value of a kept column; a missing one is an empty field."""
    if value is None:
        return ""
    return _cell(value.isoformat() if isinstance(value, date) else str(value))


def _texts(column: NDArray[Any], cells: _Cells) -> Iterator[str]:
    """The cells of a column, numbers as Python writes them."""
    if column.ndim > 1:
        return (_list_cell(row.tolist()) for row in column)
    if column.dtype.kind in "OU":
        return map(cells.__getitem__, column.tolist())
    return map(repr, column.tolist())


def _line(label: Any) -> bytes:
    dtype = object if isinstance(label, str) else None
    return b"".join(encode(Predictions({"predicted_label": np.array([label], dtype)})))
