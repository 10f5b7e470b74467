"""Warnings about the data: what to know before you trust the model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import format_value
from mlserver_forest.reports.training.columns import Column
from mlserver_forest.reports.training.duplicate_rows import Overlap, Repetitions
from mlserver_forest.schema.schema import Label, TargetKind

_SHOWN = 5
_REPEATED = 0.01
_OVERLAPPING = 0.01
_FEWEST_SHARED = 3
# At this ratio, a model that ignores the features reaches an accuracy of ten elevenths.
_IMBALANCED = 10
_ALMOST_ALL = 0.99
_ALMOST_ALL_R2 = 0.998
# The names of 311 cars in 406 rows identify most of them.
_IDENTIFYING = 0.5
_FEW_ROWS = 20


@dataclass(frozen=True)
class DataWarning:
    """A warning.

    Attributes:
        title: a short title, the same for all warnings of a kind.
        text: one sentence, which says what was found and what to do.
    """

    title: str
    text: str


def column_findings(columns: Sequence[Column]) -> Iterator[DataWarning]:
    """Empty columns, constant columns, and identifiers."""
    empty = [column.name for column in columns if column.is_missing]
    if empty:
        yield DataWarning(
            "Empty columns",
            f"{_columns(empty)} no value in any row, so nothing is learned from "
            f"{_them(empty)}; check whether the export is complete, or leave {_them(empty)} out "
            "with the hyperparameter ignore",
        )
    rounded = [f"{format_value(c.name)} (to multiples of {c.step:.0f})" for c in columns if c.step]
    if rounded:
        yield DataWarning(
            "Numbers beyond the precision",
            f"the numbers of {', '.join(rounded[:_SHOWN])}{_more(rounded)} are rounded, because "
            "the algorithm reads numbers of this size so coarsely, and different ones may have "
            "become equal; leave out identifiers with the hyperparameter ignore, and write dates "
            "and times as the days or seconds since a day near to them",
        )
    constant = [c.name for c in columns if c.is_constant and c.n_rows > 1 and not c.step]
    if constant:
        yield DataWarning(
            "Constant columns",
            f"{_columns(constant)} the same value in every row, so nothing is learned from "
            f"{_them(constant)}; leave {_them(constant)} out with the hyperparameter ignore",
        )
    naming = [column for column in columns if _is_identifier(column)]
    if naming:
        names = [column.name for column in naming]
        first = naming[0]
        yield DataWarning(
            "Identifiers",
            f"{_columns(names)} a different category in most rows, like an identifier "
            f"({first.n_distinct:,} in {first.n_rows - first.n_missing:,} rows"
            f"{'' if len(names) == 1 else f' of {format_value(first.name)}'}); a model memorizes "
            f"rows by them and cannot use new ones; leave {_them(names)} out with the "
            "hyperparameter ignore",
        )


def leakage_findings(
    columns: Sequence[Column], scores: NDArray[np.float64], kind: TargetKind
) -> Iterator[DataWarning]:
    """Features that predict the target by themselves (possible leakage)."""
    least, measure = (
        (_ALMOST_ALL, "balanced accuracy") if kind == "classification" else (_ALMOST_ALL_R2, "R²")
    )
    suspects = [i for i in np.argsort(-scores, kind="stable") if scores[i] > least]
    if suspects:
        shown = ", ".join(
            f"{format_value(columns[i].name)} ({measure} {scores[i]:.4f})"
            for i in suspects[:_SHOWN]
        )
        yield DataWarning(
            "Leakage suspects",
            f"{shown}{_more(suspects)}: "
            f"{'it predicts' if len(suspects) == 1 else 'each predicts'} the target almost "
            "perfectly by itself; make sure that the value is known before the target is",
        )


def repetition_findings(found: Repetitions) -> Iterator[DataWarning]:
    """Rows that repeat others, and rows that contradict others."""
    if found.n_repeated >= _REPEATED * found.n_rows:
        yield DataWarning(
            "Duplicate rows",
            f"{_share(found.n_repeated, found.n_rows)} have the features of an earlier row; "
            "if they fall on both sides of a split, its metrics are optimistic",
        )
    if found.n_conflicting >= max(1, _REPEATED * found.n_rows):
        yield DataWarning(
            "Conflicting rows",
            f"{_share(found.n_conflicting, found.n_rows)} have the features of a row with "
            "another target; no model can be right on all of them",
        )


def class_findings(y: NDArray[Any], classes: Sequence[Label]) -> Iterator[DataWarning]:
    """Classes that are rare compared with the most frequent one."""
    counts = np.bincount(y, minlength=len(classes))
    most = int(counts.argmax())
    rare = [i for i in np.argsort(counts, kind="stable") if counts[i] * _IMBALANCED <= counts[most]]
    if rare:
        shown = ", ".join(f"{format_value(classes[i])} {counts[i]:,}" for i in rare[:_SHOWN])
        yield DataWarning(
            "Class imbalance",
            f"{format_value(classes[most])} has {_share(int(counts[most]), len(y))}, while "
            "there are few "
            f"of {shown}{_more(rare)}; judge by balanced_accuracy or f1 rather than by accuracy, "
            "and consider class weights",
        )


def overlap_findings(overlaps: Mapping[str, Overlap]) -> Iterator[DataWarning]:
    """Rows of another set that are training rows too."""
    for prefix, found in overlaps.items():
        if found.n_shared >= max(_FEWEST_SHARED, _OVERLAPPING * found.n_rows):
            yield DataWarning(
                f"Overlap of {prefix} and training rows",
                f"{_share(found.n_shared, found.n_rows, prefix)} have the features of a "
                f"training row; shared rows make the {prefix} metrics optimistic",
            )


def _is_identifier(column: Column) -> bool:
    present = column.n_rows - column.n_missing
    return (
        column.kind == "words"
        and present >= _FEW_ROWS
        and column.n_distinct >= _IDENTIFYING * present
    )


def _columns(names: Sequence[str]) -> str:
    shown = ", ".join(map(format_value, names[:_SHOWN])) + _more(names)
    return f"column {shown} has" if len(names) == 1 else f"{len(names):,} columns ({shown}) have"


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"


def _more(found: Sequence[Any]) -> str:
    return f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""


def _share(count: int, n_rows: int, which: str = "training") -> str:
    return f"{count:,} of {n_rows:,} {which} rows ({count / n_rows:.1%})"
