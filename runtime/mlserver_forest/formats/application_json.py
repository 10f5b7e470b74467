"""application/json: rows in every shape that SageMaker's algorithms take.

Read: ``[[1, 2], [3, 4]]``, one row ``[1, 2]``, ``{"instances": [[1, 2]]}``,
``{"instances": [{"features": [1, 2]}]}`` and ``{"instances": [{"name": 1}]}``. ``null``
is a missing value. Written: ``{"predictions": [{...}]}``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.formats.quoting import quoted
from mlserver_forest.schema import Schema

_SHAPES = (
    'expected [[...], ...], {"instances": [[...], ...]}, '
    '{"instances": [{"features": [...]}, ...]}, {"instances": [{"name": value, ...}, ...]} '
    'or a V2 request with "inputs"'
)


def parse(body: bytes) -> Any:
    """Parse JSON text.

    Raises:
        InvalidInput: with the parser's reason and place.
    """
    if not body or body.isspace():
        raise InvalidInput(f"the body is empty; {_SHAPES}")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the body is not JSON: {error}") from error


def decode(document: Any, schema: Schema) -> NDArray[np.float64]:
    """Read rows from a parsed document.

    Returns:
        float64 (n_samples, n_features), NaN where a value is null.

    Raises:
        InvalidInput: naming row and column, what came and what was expected.
    """
    instances = document.get("instances") if isinstance(document, dict) else document
    if not isinstance(instances, list):
        came = f"an object with {quoted(list(document))}" if isinstance(document, dict) else None
        raise InvalidInput(f"the body is {came or quoted(document)}; {_SHAPES}")
    if not instances:
        raise InvalidInput(f"there is no row; expected rows of {schema.describe()} values")
    if not isinstance(instances[0], list | dict):
        return _matrix([instances], schema)
    if isinstance(instances[0], dict):
        instances = [_features(row, instance, schema) for row, instance in enumerate(instances)]
    return _matrix(instances, schema)


def encode(predictions: Predictions) -> bytes:
    """``{"predictions": [...]}`` with one object per row.

    A class is ``{"predicted_label": ..., "probabilities": [...]}``, a number
    ``{"score": ...}``; the keys are those of SageMaker's own algorithms. An outlier or
    inlier is ``{"predicted_label": ..., "score_samples": ..., "decision_function": ...}``.
    """
    key = "predicted_label" if predictions.are_labels else "score"
    names = (key, *predictions.scores)
    columns = (predictions.values, *predictions.scores.values())
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return orjson.dumps({"predictions": rows})


def _features(row: int, instance: Any, schema: Schema) -> Any:
    """The values of one instance in the order of the schema."""
    if not isinstance(instance, dict):
        raise InvalidInput(f"row {row + 1} is {quoted(instance)}; the first row is an object")
    if "features" in instance and "features" not in schema.feature_names:
        return instance["features"]
    names = tuple(instance)
    values = tuple(instance.values())
    if names == schema.feature_names:
        return values
    return [values[position] for position in schema.positions(names, f"row {row + 1}")]


def _matrix(rows: Sequence[Any], schema: Schema) -> NDArray[np.float64]:
    schema = schema.of_width(len(rows[0]) or 1 if isinstance(rows[0], list) else 1)
    try:
        matrix = np.array(rows)
    except ValueError:  # Ragged rows: read one by one, to name the row.
        matrix = np.empty(0)
    if matrix.ndim == 2 and matrix.shape[1] == schema.n_features and matrix.dtype.kind in "iufb":
        return matrix.astype(np.float64)
    return np.array([_row(row, values, schema) for row, values in enumerate(rows)])


def _row(row: int, values: Any, schema: Schema) -> list[float]:
    if not isinstance(values, list | tuple):
        raise InvalidInput(f"row {row + 1} is {quoted(values)}; expected a list of numbers")
    if len(values) != schema.n_features:
        raise InvalidInput(
            f"row {row + 1} has {len(values)} values; the model expects {schema.describe()}"
        )
    return [_number(row, column, value, schema) for column, value in enumerate(values)]


def _number(row: int, column: int, value: Any, schema: Schema) -> float:
    if value is None:
        return float("nan")
    if not isinstance(value, int | float):
        raise InvalidInput(f"{schema.locate(row, column)}: {quoted(value)} is not a number")
    return float(value)
