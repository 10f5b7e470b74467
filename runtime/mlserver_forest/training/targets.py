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

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


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
        convert = int if isinstance(self.classes[0], int) else str
        position = {label: i for i, label in enumerate(self.classes)}
        try:
            return np.array([position[convert(label)] for label in table.labels], np.int64)
        except (KeyError, ValueError):
            row = next(
                row
                for row, label in enumerate(table.labels)
                if not (convert is str or _INTEGER.fullmatch(label))
                or convert(label) not in position
            )
            raise InvalidData(
                f"{table.place(row)}: label {quoted(table.labels[row])} does not occur in the "
                f"training data; expected one of {quoted(list(self.classes))}"
            ) from None


def learn_target(table: Table, task: str | None) -> Target:
    """Find out what the labels are.

    Strings and integers are classes, other numbers a regression; ``task`` overrides.

    Raises:
        InvalidData: naming file and line of a missing or impossible label, or
            where all labels are the same class.
    """
    for row, label in enumerate(table.labels):
        if not label:
            raise InvalidData(
                f"{table.place(row)}: the label (column 1) is missing; fill it or remove the row"
            )
    distinct = sorted(set(table.labels))
    are_integers = all(_INTEGER.fullmatch(label) for label in distinct)
    are_numbers = are_integers or all(parse_number(label) is not None for label in distinct)
    if task == "regression" or (task is None and are_numbers and not are_integers):
        return Target("regression", ())
    classes = _classes(table, distinct, are_integers, are_numbers)
    if len(classes) == 1:
        last = len(table.labels) - 1
        raise InvalidData(
            f"all {len(table.labels)} labels, from {table.place(0)} to {table.place(last)}, are "
            f"{quoted(classes[0])}; a classification needs two classes or more"
        )
    return Target("classification", classes)


def _classes(
    table: Table, distinct: list[str], are_integers: bool, are_numbers: bool
) -> tuple[Label, ...]:
    if are_integers:
        return tuple(sorted({int(label) for label in distinct}))
    if are_numbers:
        row = next(i for i, label in enumerate(table.labels) if not _INTEGER.fullmatch(label))
        raise InvalidData(
            f"{table.place(row)}: label {quoted(table.labels[row])} is neither a whole number nor "
            "a word, and task is classification; write classes as integers or words"
        )
    return tuple(distinct)


def _number(table: Table, row: int) -> float:
    value = parse_number(table.labels[row])
    if value is None or not np.isfinite(value):
        raise InvalidData(
            f"{table.place(row)}: label {quoted(table.labels[row])} is not a finite number, which "
            "a regression needs; for classes set task=classification"
        )
    return value
