"""The column of the target, collected block by block."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.field_values import (
    distinct,
    parse_number,
    parse_numbers,
    text_at,
)
from mlserver_forest.schema.categories import is_missing
from mlserver_forest.training.data.learned_categories import At
from mlserver_forest.training.data.row_blocks import Column
from mlserver_forest.training.data.table import MOST_CATEGORIES, TargetLabels

# Above it, not every whole number is a float.
_LARGEST_WHOLE = 2.0**53


class LabelColumn:
    """TargetLabels as texts while there are few of them, and then as numbers.

    Args:
        name: of the target's column, for error messages.
        keeps_na: whether NA, None and the like are labels; otherwise they are missing.
    """

    def __init__(self, name: str, *, keeps_na: bool = False) -> None:
        self._name = name
        self._keeps_na = keeps_na
        self._spelt: tuple[Any, tuple[list[str], NDArray[Any]]] = (None, ([], np.empty(0)))
        self._as_numbers: tuple[Any, tuple[NDArray[np.float64], int | None]]
        self._as_numbers = None, (np.empty(0), None)
        self._positions: dict[str, int] | None = {}
        self._codes: list[NDArray[np.int32]] = []
        self._numbers: list[NDArray[np.float64]] = []
        self._has_integers = True

    def append(self, labels: Column, at: At) -> None:
        """Keep some labels, none of which is missing.

        Raises:
            InvalidData: if there are too many different labels that are not numbers.
        """
        self._has_integers &= not isinstance(labels, np.ndarray)
        if self._positions is not None:
            self._append_texts(self._positions, labels, at)
        else:
            self._numbers.append(self._parsed(labels, at))

    def are_missing(self, labels: Column) -> NDArray[np.bool_]:
        """Which labels are missing, (n,)."""
        if isinstance(labels, np.ndarray):
            return np.asarray(np.isnan(labels))
        if self._positions is None:
            numbers, refused = self._numbers_of(labels)
            if refused is None:
                return np.asarray(np.isnan(numbers))
        found, rows = self._texts_of(labels)
        return np.asarray(np.array([self._is_missing(label) for label in found] or [False])[rows])

    def finish(self) -> TargetLabels:
        """All of them."""
        if self._positions is None:
            return TargetLabels(None, None, np.concatenate(self._numbers))
        labels = sorted(self._positions)
        final = np.empty(max(len(labels), 1), np.int32)
        final[[self._positions[label] for label in labels]] = np.arange(len(labels), dtype=np.int32)
        codes = final[np.concatenate([np.empty(0, np.int32), *self._codes])]
        values = [parse_number(label) for label in labels]
        are_numbers = all(value is not None and value == value for value in values)  # noqa: PLR0124
        numbers = np.array(values or [0.0], np.float64)[codes] if are_numbers else None
        return TargetLabels(tuple(labels), codes, numbers, self._has_integers)

    def _append_texts(self, known: dict[str, int], labels: Column, at: At) -> None:
        found, rows = self._texts_of(labels)
        codes = [known.setdefault(label, len(known)) for label in found]
        self._codes.append(np.array(codes or [0], np.int32)[rows])
        if len(known) > MOST_CATEGORIES:
            self._turn_to_numbers(known, at)

    def _turn_to_numbers(self, labels: dict[str, int], at: At) -> None:
        """Forget how the labels are spelled."""
        values = [parse_number(label) for label in labels]
        if None in values:
            label = next(
                label for label, value in zip(labels, values, strict=True) if value is None
            )
            raise self._not_a_number(label, at(0))
        numbers = np.array(values, np.float64)
        self._numbers = [numbers[codes] for codes in self._codes]
        self._positions, self._codes = None, []

    def _parsed(self, labels: Column, at: At) -> NDArray[np.float64]:
        if isinstance(labels, np.ndarray):
            numbers = labels
        else:
            numbers, refused = self._numbers_of(labels)
            if refused is not None:
                raise self._not_a_number(text_at(labels, refused), at(refused))
        return np.asarray(numbers, np.float64)

    def _is_missing(self, label: str) -> bool:
        return not label or (is_missing(label) and not self._keeps_na)

    def _numbers_of(self, labels: Column) -> tuple[NDArray[np.float64], int | None]:
        """The numbers of a block of text, which is looked at twice, as ``parse_numbers``."""
        if self._as_numbers[0] is not labels:
            self._as_numbers = labels, parse_numbers(labels)
        return self._as_numbers[1]

    def _texts_of(self, labels: Column) -> tuple[list[str], NDArray[Any]]:
        """The distinct labels of a block, which is looked at twice, and where they stand."""
        if self._spelt[0] is not labels:
            self._spelt = labels, _spelt(labels)
        return self._spelt[1]

    def _not_a_number(self, label: str, place: str) -> InvalidData:
        return InvalidData(
            f"the target ({self._name}) has more than {MOST_CATEGORIES} different labels up to "
            f"{place}, and {format_value(label)} is not a number; choose another target column, "
            "or correct that label"
        )


def _spelt(labels: Column) -> tuple[list[str], NDArray[Any]]:
    """The distinct labels without white space around them, and for each row its position."""
    if isinstance(labels, np.ndarray):
        numbers, rows = np.unique(labels, return_inverse=True)
        return [_spelling(number) for number in numbers.tolist()], rows
    texts, codes = distinct(labels)
    return [text.strip() for text in texts], codes


def _spelling(number: float) -> str:
    """The text of a number; the formats that have numbers as labels do not have integers."""
    if number == np.floor(number) and abs(number) < _LARGEST_WHOLE:
        return str(int(number))
    return repr(number)
