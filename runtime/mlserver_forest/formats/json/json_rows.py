"""Instances in JSON to rows of numbers.

An instance is a list of values, ``{"features": [...]}``,
``{"data": {"features": {"values": [...]}}}``, the same with ``keys`` and ``shape`` for a
sparse row, or an object of values by feature name. A feature may have the name of one of
these envelopes: a value under it is the feature, a list or an object is the envelope.

A value is a number, ``null`` where it is missing, or what ``words`` reads where the
feature has words; a word that a sparse row leaves out is missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.category_values import codes_of, text_of
from mlserver_forest.formats.json.json_blocks import LargeArray, whole
from mlserver_forest.formats.matrix import Matrix, check_expansion, rows_per_block
from mlserver_forest.schema.schema import Schema

_NUMBERS = {int, float, bool, type(None)}
_DATA = '{"features": {"values": [...]}}'


class JsonRows:
    """Instances, all lists or all objects, gathered block by block.

    Args:
        schema: the features.
        body_bytes: the text that the rows come from; sparse rows may expand in proportion.
        columns: the features in the order of the lists, if not in the schema's.
    """

    def __init__(
        self, schema: Schema, body_bytes: int, columns: Sequence[str] | None = None
    ) -> None:
        self._matrix = Matrix(schema)
        self._body_bytes = body_bytes
        self._schema = schema
        self._order: list[int] | None = None
        self._are_objects: bool | None = None
        if columns is not None:
            self._order = schema.positions(columns, '"columns"')
            self._schema = replace(schema, feature_names=tuple(columns))
            self._are_objects = False

    def append(self, instances: Sequence[Any]) -> None:
        """Read some instances.

        Raises:
            InvalidInput: naming row and column, what came and what was expected.
            PayloadTooLarge: if sparse rows are out of proportion to the body.
        """
        if self._are_objects is None:
            self._are_objects = isinstance(instances[0], dict)
        step = rows_per_block(self._schema.n_features)
        for start in range(0, len(instances), step):
            self._append(instances[start : start + step])

    def finish(self) -> NDArray[Any]:
        """All rows, as ``Matrix.finish``."""
        return self._matrix.finish()

    def _append(self, rows: Sequence[Any]) -> None:
        first = len(self._matrix)
        if self._are_objects:
            rows = [self._values(first + n, instance) for n, instance in enumerate(rows)]
        if not self._schema.feature_names:
            width = len(rows[0]) if isinstance(rows[0], list | np.ndarray) else 1
            check_expansion(1, width, self._schema, self._body_bytes)
            self._schema = self._schema.with_width(max(width, 1))
        matrix = _numbers(rows, first, self._schema)
        self._matrix.append(matrix if self._order is None else matrix[:, self._order])

    def _values(self, row: int, instance: Any) -> Any:
        """The values of one object in the order of the schema."""
        if not isinstance(instance, dict):
            raise InvalidInput(
                f"row {row + 1} is {format_value(instance)}; the first row is an object"
            )
        if is_envelope(instance, "features", self._schema):
            return whole(instance["features"])
        if is_envelope(instance, "data", self._schema):
            return self._tensor_values(row, instance["data"])
        names = self._schema.feature_names
        try:
            values = [instance[name] for name in names]
        except KeyError:
            values = []
        if not values or len(instance) != len(values):
            self._schema.positions(tuple(instance), f"row {row + 1}")
        return values

    def _tensor_values(self, row: int, data: Any) -> Any:
        tensor = data.get("features") if isinstance(data, dict) else None
        if not isinstance(tensor, dict) or "values" not in tensor:
            raise InvalidInput(f'row {row + 1} has "data": {format_value(data)}; expected {_DATA}')
        if "keys" in tensor:
            return self._sparse_values(row, {name: whole(tensor[name]) for name in tensor})
        return whole(tensor["values"])

    def _sparse_values(self, row: int, tensor: Mapping[str, Any]) -> NDArray[np.float64]:
        keys, values = tensor["keys"], tensor["values"]
        width = self._sparse_width(row, tensor.get("shape"))
        if not isinstance(keys, list) or not isinstance(values, list) or len(keys) != len(values):
            raise InvalidInput(
                f"row {row + 1} has keys {format_value(keys)} and values {format_value(values)}; "
                "expected two lists of the same length"
            )
        _check_keys(row, keys, width)
        check_expansion(row + 1, width, self._schema, self._body_bytes)
        schema = self._schema.with_width(width)
        dense = np.full(width, schema.absent_value)
        dense[list(schema.categories_by_column)] = np.nan
        dense[keys] = [
            _value(row, key, value, schema) for key, value in zip(keys, values, strict=True)
        ]
        return dense

    def _sparse_width(self, row: int, shape: Any) -> int:
        n_features = self._schema.n_features
        is_length = isinstance(shape, list) and len(shape) == 1 and type(shape[0]) is int
        if not is_length or shape[0] < 1 or n_features not in {0, shape[0]}:
            expected = f"[{n_features}]" if n_features else "[n] with the number of features"
            raise InvalidInput(
                f"row {row + 1} has shape {format_value(shape)}; expected {expected}"
            )
        return int(shape[0])


def is_envelope(document: Mapping[str, Any], name: str, schema: Schema) -> bool:
    """Whether an object holds its rows under a name that is not also a feature's."""
    if name not in document:
        return False
    value = document[name]
    return name not in schema.feature_names or isinstance(value, list | dict | LargeArray)


def _check_keys(row: int, keys: list[Any], width: int) -> None:
    if not set(map(type, keys)) <= {int}:
        fault = next(key for key in keys if type(key) is not int)
        raise InvalidInput(f"row {row + 1} has key {format_value(fault)}; expected an integer")
    for key in keys[:1] + keys[-1:]:
        if not 0 <= key < width:
            raise InvalidInput(f"row {row + 1} has key {key}; expected 0 to {width - 1}")
    for key, following in pairwise(keys):
        if key >= following:
            raise InvalidInput(
                f"row {row + 1} has key {following} after {key}; expected ascending keys"
            )


def _numbers(rows: Sequence[Any], first_row: int, schema: Schema) -> NDArray[np.float64]:
    """Rows of one width as a matrix; fast where each value is plain."""
    kinds = set(map(type, rows))
    is_even = kinds == {list} and set(map(len, rows)) == {schema.n_features}
    if is_even and schema.categories_by_column:
        found = _by_columns(rows, schema)
        if found is not None:
            return found
    elif is_even:
        values = list(chain.from_iterable(rows))
        if set(map(type, values)) <= _NUMBERS:
            return np.array(values, np.float64).reshape(len(rows), -1)
    if kinds == {np.ndarray} and set(map(len, rows)) == {schema.n_features}:
        return np.stack(rows)
    return np.array([_row(row, values, schema) for row, values in enumerate(rows, first_row)])


def _by_columns(rows: Sequence[list[Any]], schema: Schema) -> NDArray[np.float64] | None:
    """Rows with words as a matrix, or None where a closer look is needed."""
    matrix = np.empty((len(rows), schema.n_features))
    for place, values in enumerate(zip(*rows, strict=True)):
        categories = schema.categories_by_column.get(place)
        if categories is not None:
            codes = codes_of(values, categories)
            if codes is None:
                return None
            matrix[:, place] = codes
        elif set(map(type, values)) <= _NUMBERS:
            matrix[:, place] = np.array(values, np.float64)
        else:
            return None
    return matrix


def _row(row: int, values: Any, schema: Schema) -> list[float] | NDArray[np.float64]:
    if not isinstance(values, list | np.ndarray):
        expected = "values" if schema.categories_by_column else "numbers"
        raise InvalidInput(
            f"row {row + 1} is {format_value(values)}; expected a list of {expected}"
        )
    if len(values) != schema.n_features:
        raise InvalidInput(
            f"row {row + 1} has {len(values)} values; the model expects {schema.describe()}"
        )
    if isinstance(values, np.ndarray):  # A sparse row, which is read.
        return values
    return [_value(row, column, value, schema) for column, value in enumerate(values)]


def _value(row: int, column: int, value: Any, schema: Schema) -> float:
    if column in schema.categories_by_column:
        return _code(row, column, value, schema)
    if value is None:
        return float("nan")
    if not isinstance(value, int | float):
        raise InvalidInput(f"{schema.locate(row, column)}: {format_value(value)} is not a number")
    return float(value)


def _code(row: int, column: int, value: Any, schema: Schema) -> float:
    text = text_of(value)
    if text is None:
        raise InvalidInput(
            f"{schema.locate(row, column)}: {format_value(value)} is no word; expected a "
            "string, such as "
            f"one of {schema.categories_by_column[column].describe()}"
        )
    return schema.category_code(row, column, text)
