"""Labels as text -> what is to be predicted."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.quoting import quoted
from mlserver_forest.formats.text_csv import parse_number
from mlserver_forest.schema import Label, TargetKind
from mlserver_forest.training.channels import Table

# Spelt as Python spells it, so that 007 and 7 stay two labels, and within 64 bits.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_DIGITS = re.compile(r"[+-]?[0-9]+")
_WHOLE = re.compile(r"(0|-?[1-9][0-9]{0,17})(\.0*)?")
# Squared errors of larger numbers overflow.
_LARGEST = 1e150


@dataclass(frozen=True)
class Target:
    """What the labels turned out to be.

    Attributes:
        kind: "classification" or "regression".
        classes: sorted, as scikit-learn's ``classes_``; empty for a regression.
    """

    kind: TargetKind
    classes: tuple[Label, ...]

    def encode(self, table: Table) -> NDArray[Any]:
        """The labels as the estimator takes them.

        Returns:
            (n_samples,) int64 positions in ``classes``, or float64 numbers.

        Raises:
            InvalidData: naming file and line of a label that does not fit.
        """
        if self.kind == "regression":
            return np.array([_number(table, row) for row in range(len(table.labels))])
        of_integers = isinstance(self.classes[0], int)
        position = {str(label): i for i, label in enumerate(self.classes)}
        codes = np.empty(len(table.labels), np.int64)
        for row, label in enumerate(table.labels):
            text = _integer_text(label) if of_integers else label
            if text not in position:
                raise InvalidData(
                    f"{table.place(row)}: label {quoted(label)} does not occur in the training "
                    f"data; expected one of {quoted(list(self.classes))}"
                )
            codes[row] = position[text]
        return codes


def learn_target(table: Table, task: str | None) -> Target:
    """Find out what the labels are.

    Strings and integers are classes, other numbers a regression; ``task`` overrides.

    Raises:
        InvalidData: naming file and line of a missing or impossible label, or
            where all labels are the same class.
    """
    for row, label in enumerate(table.labels):
        if _is_missing(label):
            raise InvalidData(
                f"{table.place(row)}: the label (column 1) is missing; fill it or remove the row"
            )
    distinct = sorted(set(table.labels))
    are_numbers = all(parse_number(label) is not None for label in distinct)
    are_identifiers = all(_DIGITS.fullmatch(label) for label in distinct)
    if task == "regression" or (task is None and are_numbers and not are_identifiers):
        return Target("regression", ())
    classes = _classes(table, distinct, are_numbers=are_numbers and not are_identifiers)
    if len(classes) == 1:
        last = len(table.labels) - 1
        raise InvalidData(
            f"all {len(table.labels)} labels, from {table.place(0)} to {table.place(last)}, are "
            f"{quoted(classes[0])}; a classification needs two classes or more"
        )
    return Target("classification", classes)


def _classes(table: Table, distinct: list[str], *, are_numbers: bool) -> tuple[Label, ...]:
    """Integers where all labels are, or numbers that are whole; else the labels as they stand."""
    if all(_INTEGER.fullmatch(label) for label in distinct):
        return tuple(sorted(int(label) for label in distinct))
    if not are_numbers:
        return tuple(distinct)
    for row, label in enumerate(table.labels):
        if not _WHOLE.fullmatch(label):
            raise InvalidData(
                f"{table.place(row)}: label {quoted(label)} is neither a whole number nor a word, "
                "and task is classification; write classes as integers or words"
            )
    return tuple(sorted({int(_integer_text(label)) for label in distinct}))


def _integer_text(label: str) -> str:
    """``1.0``, as pandas writes integers beside missing values, is ``1``."""
    match = _WHOLE.fullmatch(label)
    return match[1] if match else label


def _is_missing(label: str) -> bool:
    value = parse_number(label)
    return value is not None and np.isnan(value)


def _number(table: Table, row: int) -> float:
    value = parse_number(table.labels[row])
    if value is None or abs(value) > _LARGEST:
        raise InvalidData(
            f"{table.place(row)}: label {quoted(table.labels[row])} is not a number from -1e150 "
            "to 1e150, which a regression needs; for classes set task=classification"
        )
    return value
