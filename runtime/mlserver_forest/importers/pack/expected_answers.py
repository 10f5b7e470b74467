"""The user's own answers to the rows of the sample, compared with those of the packed model."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, UnsupportedEstimator, format_value
from mlserver_forest.model.model import Model

_TOLERANCE = 1e-6
_MOST_BYTES = 1 << 30
_FAULTS = (pa.ArrowException, OSError, ValueError, csv.Error)


def compare_expected(path: Path, model: Model, x: NDArray[Any]) -> str:
    """Compare the answers in a file with those of a model.

    Args:
        path: CSV, Parquet or npy; a row for each row of the sample, with the labels or numbers that
            the library predicted, or with the probability of each class.
        model: the packed model, with the names of its classes.
        x: (n_samples, n_features) the sample.

    Returns:
        A sentence that says how many rows agree.

    Raises:
        InvalidInput: if the file cannot be read, or has other rows or columns.
        UnsupportedEstimator: if any row differs.
    """
    columns = _read(path)
    prediction = model.forest.predict(x)
    is_classes = model.schema.kind == "classification"
    columns = _without_header(columns, len(x))
    if {len(column) for column in columns} != {len(x)}:
        raise InvalidInput(
            f"{path} has {len(columns[0]) if columns else 0} rows, and the sample has {len(x)}; "
            "give one answer for each row"
        )
    if is_classes and len(columns) == 1:
        labels = np.array([str(label) for label in model.schema.classes], object)
        different = labels[prediction.positions] != np.array(columns[0], object)
        largest = ""
    else:
        expected = _numbers(path, columns, prediction.values.shape[1])
        delta = np.abs(prediction.values - expected)
        different = np.any(~(delta <= _TOLERANCE * np.maximum(np.abs(expected), 1)), axis=1)
        largest = f", largest |Δ| {delta.max(initial=0):.3g}"
    if different.any():
        row = int(np.flatnonzero(different)[0])
        raise UnsupportedEstimator(
            f"the packed model does not answer as {path} says: {int(different.sum())} of {len(x)} "
            f"rows differ{largest}, the first one is row {row + 1}; nothing was written"
        )
    return f"{len(x)} rows agree with {path}{largest}"


def _read(path: Path) -> list[list[str]]:
    """The columns of a file as text."""
    if path.stat().st_size > _MOST_BYTES:
        raise InvalidInput(f"{path} has more than {_MOST_BYTES} bytes; give fewer rows")
    try:
        if path.suffix == ".npy":
            x = np.load(path, allow_pickle=False)
            columns = x.reshape(len(x), -1).T.tolist()
        elif path.suffix == ".parquet":
            columns = pa.parquet.read_table(path).to_pydict().values()
        else:
            with path.open(encoding="utf-8", newline="") as file:
                columns = zip(*csv.reader(file), strict=True)
    except _FAULTS as error:
        raise InvalidInput(
            f"{path} cannot be read: {error}; expected CSV, Parquet or npy"
        ) from error
    return [list(map(str, column)) for column in columns]


def _without_header(columns: list[list[str]], n_rows: int) -> list[list[str]]:
    """The columns without the names in the first row, if there is one row too many."""
    has_header = bool(columns) and len(columns[0]) == n_rows + 1
    return [column[1:] for column in columns] if has_header else columns


def _numbers(path: Path, columns: list[list[str]], width: int) -> NDArray[np.float64]:
    if len(columns) != width:
        raise InvalidInput(
            f"{path} has {len(columns)} columns; the model answers with {width}, "
            "in the order of its classes or targets"
        )
    try:
        return np.array(columns, np.float64).T
    except ValueError as error:
        raise InvalidInput(f"{path} holds {format_value(str(error))[:80]}, not numbers") from error
