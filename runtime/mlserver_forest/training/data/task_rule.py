"""Whether labels are classes or the numbers of a regression, where no setting says so.

The rule is one for all formats: it depends on the labels, not on how a format writes them.
Labels that are refused here would take much memory, or be learned as something that they are not.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.field_values import parse_number
from mlserver_forest.schema.schema import TargetKind
from mlserver_forest.training.algorithms.algorithm_hyperparameters import ImpliedTask
from mlserver_forest.training.data.table import Table
from mlserver_forest.training.data.text_kinds import is_date, kind_of

_WHOLE = re.compile(r"(0|-?[1-9][0-9]{0,17})(\.0*)?")
_DIGITS = re.compile(r"[+-]?[0-9]+")
# Whole numbers are codes of classes if they are few and begin at -1, 0 or 1 with few gaps.
_MOST_CODES = 30
_FIRST_CODES = (-1, 0, 1)
# From this number of classes on, whole numbers may as well be counts.
_DOUBTFUL = 10
_MANY_CLASSES = 200
_LEAST_ROWS = 10
# Rows of a class below which many classes are refused: of numbers, and of text.
_FEW_OF_NUMBERS, _FEW_OF_TEXT = 20, 5
_SHARE_OF_STRAYS = 0.2
_QUANTITY = "; if the label is a quantity, set task=regression"


@dataclass(frozen=True)
class TaskDecision:
    """What the labels are taken for.

    Attributes:
        kind: "classification" or "regression".
        hint: which setting decides otherwise, to add to a line of the log; or nothing.
    """

    kind: TargetKind
    hint: str = ""


def decide_task(table: Table) -> TaskDecision:
    """Decide by the labels alone.

    Raises:
        InvalidData: if the labels are almost numbers; naming the setting that decides.
    """
    labels = table.labels
    if labels.distinct is None:
        return TaskDecision("regression")
    if labels.numbers is None:
        _refuse_almost_numbers(table, labels.distinct)
        return TaskDecision("classification")
    if not all(map(_WHOLE.fullmatch, labels.distinct)):
        are_identifiers = all(map(_DIGITS.fullmatch, labels.distinct))
        return TaskDecision("classification" if are_identifiers else "regression")
    found = sorted({int(float(label)) for label in labels.distinct})
    n_classes = len(found)
    are_codes = n_classes <= _MOST_CODES and found[0] in _FIRST_CODES and found[-1] <= 2 * n_classes
    are_floats = not labels.has_integers or any("." in label for label in labels.distinct)
    if are_floats and not are_codes:
        shown = format_value(labels.distinct[-1])
        hint = f"; if its whole numbers, such as {shown}, are classes, set task=classification"
        return TaskDecision("regression", hint)
    is_doubtful = n_classes >= _DOUBTFUL or not are_codes
    return TaskDecision("classification", _QUANTITY if is_doubtful else "")


def refuse_index(table: Table) -> None:
    """Refuse a target that counts the rows.

    Raises:
        InvalidData: naming the setting with which it is learned nevertheless.
    """
    if counted := _counted(table):
        raise InvalidData(
            f"{counted}; set target to the column to predict and "
            f"ignore={table.layout.roles.target}, or task=regression if these numbers are to be "
            "predicted"
        )


def refuse_many_classes(table: Table, n_classes: int, implied: ImpliedTask | None = None) -> None:
    """Refuse a number of classes that takes much memory and is rarely meant.

    Args:
        table: the training table.
        n_classes: how many different labels it has.
        implied: the setting that makes the task a classification, if one does.

    Raises:
        InvalidData: naming the setting with which they are learned nevertheless.
    """
    n_rows, are_numbers = len(table), table.labels.numbers is not None
    is_each_row = n_classes == n_rows >= _LEAST_ROWS
    few = _FEW_OF_NUMBERS if are_numbers else _FEW_OF_TEXT
    if is_each_row or (n_classes > _MANY_CLASSES and n_classes * few > n_rows):
        advice = "set target to another column if this one names or numbers the rows"
        if are_numbers:
            instead = f"remove {implied.setting} and " if implied else ""
            advice = f"{instead}set task=regression if it is a quantity, or {advice}"
        raise InvalidData(
            f"the target ({table.layout.target_name}) has {n_classes} different values in {n_rows} "
            f"rows, too many for classes; {advice}; task=classification learns them as classes"
        )


def doubtful_labels(table: Table, kind: TargetKind) -> tuple[str, ...]:
    """What looks like a mistake in the labels, as sentences for the log."""
    counted = filter(None, [_counted(table) or _numbered(table), _footer(table)])
    if kind == "regression":
        return (*counted, *_constant(table))
    labels = table.labels.distinct or ()
    return (*counted, *_alike(labels), *_strays(table, labels))


def _counted(table: Table) -> str | None:
    """The sentence for a target that counts the rows; None if it does not."""
    numbers, n_rows = table.labels.numbers, len(table)
    if numbers is None or n_rows < _LEAST_ROWS or numbers[0] not in {0, 1}:
        return None
    first = int(numbers[0])
    if not np.array_equal(numbers, np.arange(first, first + n_rows)):
        return None
    return (
        f"the target ({table.layout.target_name}) counts {first}, {first + 1}, {first + 2}, ... "
        f"over the {n_rows} rows, from {table.place(0)} on, as the index of a data frame does"
    )


def _numbered(table: Table) -> str | None:
    """The sentence for a target with each whole number of a range once; None if it does not."""
    numbers, n_rows = table.labels.numbers, len(table)
    if numbers is None or n_rows < _FEW_OF_NUMBERS:
        return None
    ordered = np.sort(numbers)
    first = ordered[0]
    if not float(first).is_integer() or not np.array_equal(ordered, first + np.arange(n_rows)):
        return None
    return (
        f"the target ({table.layout.target_name}) has each whole number from {first:.0f} to "
        f"{ordered[-1]:.0f} once, as numbers of rows do; set target to the column to predict if "
        "these identify the rows"
    )


def _footer(table: Table) -> str | None:
    """The sentence for a last row that has a label and nothing else; None if it has more."""
    n_rows = len(table)
    if n_rows < _LEAST_ROWS or not table.x.size or not np.isnan(table.x[-1]).all():
        return None
    return (
        f"the last row, {table.place(n_rows - 1)}, has the label "
        f"{format_value(table.labels.text(n_rows - 1))} and no other value; remove it if it is a "
        "total or a note"
    )


def _refuse_almost_numbers(table: Table, labels: Sequence[str]) -> None:
    others = [code for code, label in enumerate(labels) if not _is_number(label)]
    numbers = [label for label in labels if _is_number(label)]
    code = others[0]
    if all(map(is_date, labels)):
        raise InvalidData(
            f"the target ({table.layout.target_name}) holds dates or times, such as "
            f"{format_value(labels[0])} at {_place_of(table, 0)}; set target to the column to "
            "predict, derive a number from the dates, or set task=classification to take them as "
            "classes"
        )
    if all(kind_of(labels[other]) == "number" for other in others):
        raise InvalidData(
            f"{_place_of(table, code)}: label {format_value(labels[code])} of the target "
            f"({table.layout.target_name}) looks like a number, but is not written as one; write "
            "digits and a decimal point alone, such as 1087.62, or set task=classification to take "
            "the labels as text"
        )
    are_few = _share(table, others) < _SHARE_OF_STRAYS
    if are_few and not all(map(_WHOLE.fullmatch, numbers)):
        raise InvalidData(
            f"{_place_of(table, code)}: label {format_value(labels[code])} is not a number, as "
            f"the other labels of the target ({table.layout.target_name}) are; write a number, or "
            "set task=classification to take all labels as text"
        )


def _strays(table: Table, labels: Sequence[str]) -> Iterator[str]:
    """Text among labels that are numbers."""
    others = [code for code, label in enumerate(labels) if not _is_number(label)]
    share = _share(table, others) if others else 0.0
    if len(labels) - len(others) >= 2 and 0 < share < _SHARE_OF_STRAYS:
        n_rows = round(share * len(table))
        yield (
            f"label {format_value(labels[others[0]])} at {_place_of(table, others[0])} "
            f"({n_rows} of {len(table)} rows) is not a number, as the other labels are, so that "
            "all of them are text; correct it, or remove the row, if it is not a class"
        )


def _alike(labels: Sequence[str]) -> Iterator[str]:
    """Labels that a person may take for the same."""
    by_value: dict[str, list[str]] = {}
    for label in labels:
        match = _WHOLE.fullmatch(label)
        by_value.setdefault(match[1] if match else label.casefold(), []).append(label)
    for value, same in by_value.items():
        if len(same) < 2:
            continue
        shown = f"{', '.join(map(format_value, same[:-1]))} and {format_value(same[-1])}"
        if value == same[0].casefold() and not _WHOLE.fullmatch(same[0]):
            yield f"the labels {shown} differ in case alone and are different classes"
        elif parse_number(value) is not None:
            yield f"the labels {shown} are the same number and the same class"


def _constant(table: Table) -> Iterator[str]:
    numbers = table.labels.numbers
    if numbers is not None and len(numbers) > 1 and (numbers == numbers[0]).all():
        yield (
            f"all {len(numbers)} labels are {numbers[0]:g}: the model can only answer that; check "
            f"that the target ({table.layout.target_name}) is the column to predict"
        )


def _is_number(label: str) -> bool:
    """Whether a label is a number; NA may be a label, and is not one."""
    value = parse_number(label)
    return value is not None and not math.isnan(value)


def _share(table: Table, codes: Sequence[int]) -> float:
    """The share of the rows that have one of some labels."""
    return float(np.isin(np.asarray(table.labels.codes), codes).mean())


def _place_of(table: Table, code: int) -> str:
    """The location of the first row with a label."""
    return table.place(int(np.flatnonzero(table.labels.codes == code)[0]))
