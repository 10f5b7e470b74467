"""The known targets of rows as a caller has them -> positions of classes, or numbers."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, count, format_value
from mlserver_forest.formats.field_values import parse_number
from mlserver_forest.schema.categories import is_missing
from mlserver_forest.schema.schema import Schema

_SHOWN = 8
_MISSING_POSITION = -1


def known_targets(values: Iterable[Any], schema: Schema) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Read the targets of rows; rows without one are left out.

    Args:
        values: (n_samples,) Python values: labels or numbers, or their texts as in a file. None,
            NaN and texts such as "NA" are missing, unless a class is spelled like that.
        schema: of the model that predicts them.

    Returns:
        (n,) int64 positions in ``schema.classes``, or float64 numbers; and the (n,) rows, counted
        from 0, that have a target.

    Raises:
        InvalidInput: naming the row and the value that is not a class of the model or a number, and
            for a model whose targets cannot be compared one by one.
    """
    if schema.kind not in {"classification", "regression"} or schema.n_targets != 1:
        targets = count(schema.n_targets, "target")
        raise InvalidInput(
            f"a model of kind {schema.kind} with {targets} cannot be evaluated; expected a "
            "classification, or a regression with one target"
        )
    is_class = schema.kind == "classification"
    classes = _Classes(schema)
    known: dict[Any, Any] = {}
    found = []
    for row, value in enumerate(values):
        try:
            target = known[type(value), value]
        except KeyError:
            target = classes.position(value, row) if is_class else _number(value, row)
            known[type(value), value] = target
        except TypeError as error:
            raise _refusal(row, value, "one value") from error
        found.append(target)
    if is_class:
        positions = np.array(found, np.int64)
        rows = np.flatnonzero(positions != _MISSING_POSITION)
        return positions[rows], rows
    numbers = np.array(found, np.float64)
    rows = np.flatnonzero(~np.isnan(numbers))
    return numbers[rows], rows


def text_of_value(value: Any) -> str:
    """The text of a value of any kind, as it would stand in a file; "" if it is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return "" if is_missing(text) else text


class _Classes:
    """Finds the class that a value names."""

    def __init__(self, schema: Schema) -> None:
        self._classes = schema.classes
        self._position = {str(label): place for place, label in enumerate(schema.classes)}
        self._are_bool = bool(schema.classes) and isinstance(schema.classes[0], bool)
        self._are_int = not self._are_bool and all(type(label) is int for label in schema.classes)

    def position(self, value: Any, row: int) -> int:
        text = "" if value is None else str(value).strip()
        found = self._position.get(text)
        if found is not None:
            return found
        plain = text_of_value(value)
        if not plain:
            return _MISSING_POSITION
        found = self._position.get(self._normal(plain))
        if found is None:
            shown = ", ".join(map(format_value, self._classes[:_SHOWN]))
            more = ", ..." if len(self._classes) > _SHOWN else ""
            raise _refusal(row, value, f"one of the model's classes: {shown}{more}")
        return found

    def _normal(self, text: str) -> str:
        """The text as Python writes the label: 1.0 is 1, and true is True."""
        number = parse_number(text)
        is_whole = number is not None and number.is_integer()
        if self._are_int and is_whole:
            return str(int(number or 0))
        if self._are_bool:
            return str(bool(number)) if is_whole and number in {0, 1} else text.capitalize()
        return text_of_value(number) if is_whole else text


def _number(value: Any, row: int) -> float:
    number = parse_number(value) if isinstance(value, str) else _as_float(value)
    if number is None or math.isinf(number):
        raise _refusal(row, value, "a finite number")
    return number


def _as_float(value: Any) -> float | None:
    if value is None or not text_of_value(value):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _refusal(row: int, value: Any, expected: str) -> InvalidInput:
    return InvalidInput(
        f"row {row + 1}: the target {format_value(value)} is not {expected}; correct it, or leave "
        "the row out"
    )
