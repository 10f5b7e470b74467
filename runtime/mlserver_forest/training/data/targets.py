"""The labels of a table: classes, or the numbers of a regression."""

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.field_values import parse_number
from mlserver_forest.schema.schema import Label, TargetKind
from mlserver_forest.training.algorithms.algorithm_hyperparameters import ImpliedTask
from mlserver_forest.training.data.table import MOST_CATEGORIES, Table
from mlserver_forest.training.data.task_rule import (
    decide_task,
    doubtful_labels,
    refuse_index,
    refuse_many_classes,
)

# Spelled as Python spells it, so that 007 and 7 stay two labels, and within 64 bits.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_DIGITS = re.compile(r"[+-]?[0-9]+")
_WHOLE = re.compile(r"(0|-?[1-9][0-9]{0,17})(\.0*)?")
# Squared errors of larger numbers overflow.
_LARGEST = 1e150


@dataclass(frozen=True)
class Target:
    """The kind of the labels, learned from the training channel.

    Attributes:
        kind: "classification" or "regression".
        classes: sorted, as scikit-learn's ``classes_``; empty for a regression.
        hint: why it is that kind, or which setting decides otherwise, for the log.
        doubts: what looks like a mistake in the labels, as sentences.
    """

    kind: TargetKind
    classes: tuple[Label, ...]
    hint: str = field(default="", compare=False)
    doubts: tuple[str, ...] = field(default=(), compare=False)

    def encode(self, table: Table) -> NDArray[Any]:
        """The labels as the estimator takes them.

        Returns:
            (n_samples,) int64 positions in ``classes``, or float64 numbers.

        Raises:
            InvalidData: naming file and line of a label that does not fit.
        """
        return _numbers(table) if self.kind == "regression" else self._positions(table)

    def _positions(self, table: Table) -> NDArray[np.int64]:
        labels, codes = table.labels.distinct, table.labels.codes
        if labels is None or codes is None:
            raise InvalidData(
                f"the labels from {table.place(0)} on have more than {MOST_CATEGORIES} different "
                f"values, but the training data have {len(self.classes)} classes"
            )
        of_integers = isinstance(self.classes[0], int)
        position = {str(label): i for i, label in enumerate(self.classes)}
        texts = (_integer_text(label) if of_integers else label for label in labels)
        positions = np.array([position.get(text, -1) for text in texts] or [0], np.int64)[codes]
        if (positions < 0).any():
            row = int((positions < 0).argmax())
            raise InvalidData(
                f"{table.place(row)}: label {format_value(table.labels.text(row))} does not "
                f"occur in the training data; expected one of {format_value(list(self.classes))}"
            )
        return positions


def learn_target(table: Table, task: str | None, implied: ImpliedTask | None = None) -> Target:
    """Learn whether the labels are classes or the numbers of a regression.

    ``task`` decides, or else a hyperparameter that is for one task alone, or else the labels.

    Args:
        table: the training table.
        task: the hyperparameter, or None.
        implied: the task that another hyperparameter is for, or None.

    Raises:
        InvalidData: naming file and line of an impossible label, or if all labels are the same
            class, or if there is no row.
    """
    if not len(table):
        raise InvalidData("there is no row to learn from; give the training channel data")
    if task is None:
        refuse_index(table)
    hint, why = "", "task is classification;"
    if task is not None:
        kind: Any = task
    elif implied is not None:
        kind, hint = implied.task, f", as {implied.setting} is for one"
        why = f"{implied.setting} is for a classification; remove {implied.name}, or"
    else:
        decision = decide_task(table)
        kind, hint = decision.kind, decision.hint
    doubts = doubtful_labels(table, kind)
    if kind == "classification":
        classes = _learned_classes(table, why)
        if task is None:
            refuse_many_classes(table, len(classes), implied)
        return Target(kind, classes, hint, doubts)
    if task is None and implied is not None:
        _require_numbers(table, implied)
    return Target(kind, (), hint, doubts)


def _learned_classes(table: Table, why: str) -> tuple[Label, ...]:
    labels = table.labels.distinct
    if labels is None:
        raise InvalidData(
            f"the labels have more than {MOST_CATEGORIES} different values, too many for a "
            "classification; for quantities set task=regression"
        )
    are_numbers = table.labels.numbers is not None and not all(map(_DIGITS.fullmatch, labels))
    classes = _classes(table, labels, why, are_numbers=are_numbers)
    if len(classes) == 1:
        raise InvalidData(
            f"all {len(table)} labels, from {table.place(0)} to {table.place(len(table) - 1)}, are "
            f"{format_value(classes[0])}; a classification needs two classes or more"
        )
    return classes


def _require_numbers(table: Table, implied: ImpliedTask) -> None:
    if table.labels.numbers is None:
        row = int(_are_texts(table).argmax())
        raise InvalidData(
            f"{table.place(row)}: label {format_value(table.labels.text(row))} is not a number, "
            f"but {implied.setting} is for a regression; remove {implied.name}, or set target to a "
            "column of numbers"
        )


def _classes(
    table: Table, labels: tuple[str, ...], why: str, *, are_numbers: bool
) -> tuple[Label, ...]:
    """Integers if all labels are whole numbers; otherwise the labels as they are."""
    if all(map(_INTEGER.fullmatch, labels)):
        return tuple(sorted(map(int, labels)))
    if not are_numbers:
        return labels
    for code, label in enumerate(labels):
        if not _WHOLE.fullmatch(label):
            raise InvalidData(
                f"{_place_of(table, code)}: label {format_value(label)} is neither a whole "
                f"number nor text, and {why} write classes as integers or text"
            )
    return tuple(sorted({int(_integer_text(label)) for label in labels}))


def _place_of(table: Table, code: int) -> str:
    """The location of the first row with a label."""
    return table.place(int(np.flatnonzero(table.labels.codes == code)[0]))


def _integer_text(label: str) -> str:
    """``1.0``, as pandas writes integers beside missing values, is ``1``."""
    match = _WHOLE.fullmatch(label)
    return match[1] if match else label


def _numbers(table: Table) -> NDArray[np.float64]:
    numbers = table.labels.numbers
    faulty = np.flatnonzero(_are_texts(table) if numbers is None else np.abs(numbers) > _LARGEST)
    if numbers is None or len(faulty):
        row = int(faulty[0])
        raise InvalidData(
            f"{table.place(row)}: label {format_value(table.labels.text(row))} is not a number "
            "from -1e150 to 1e150, which a regression needs; for classes set task=classification"
        )
    return numbers


def _are_texts(table: Table) -> NDArray[np.bool_]:
    values = map(parse_number, table.labels.distinct or ())
    return np.asarray(np.array([value is None for value in values])[table.labels.codes])
