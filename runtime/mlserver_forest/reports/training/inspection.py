"""What the training rows show without a model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.reports.training import warnings
from mlserver_forest.reports.training.columns import Column, summarize
from mlserver_forest.reports.training.duplicate_rows import (
    Overlap,
    Repetitions,
    overlap,
    repetitions,
)
from mlserver_forest.reports.training.single_features import scores_alone
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.schema import Label, TargetKind


@dataclass(frozen=True, eq=False)
class Inspection:
    """What the training rows show.

    Attributes:
        columns: the columns of the features, in their order.
        repetitions: rows that occur more than once.
        scores_alone: (n_features,) how well each feature predicts the target by itself.
        overlaps: by prefix, rows of other sets that are training rows too.
        findings: the warnings, the most serious first.
    """

    columns: tuple[Column, ...]
    repetitions: Repetitions
    scores_alone: NDArray[np.float64]
    overlaps: Mapping[str, Overlap]
    findings: tuple[warnings.DataWarning, ...]


def inspect(
    x: NDArray[Any],
    y: NDArray[Any],
    kind: TargetKind,
    classes: Sequence[Label],
    names: Sequence[str],
    categories: Mapping[str, Categories],
    others: Mapping[str, NDArray[Any]],
) -> Inspection:
    """Inspect the training rows.

    Args:
        x: (n_samples, n_features), NaN for missing values, positions for categories.
        y: (n_samples,) int positions in ``classes``, or float64 numbers.
        kind: "classification" or "regression".
        classes: the labels; empty for a regression.
        names: the names of the features.
        categories: the categories of features that have them, by name.
        others: by prefix, rows of other sets, which are searched for training rows.
    """
    columns = summarize(x, names, categories)
    skip = [i for i, column in enumerate(columns) if column.is_constant or column.is_missing]
    scores = scores_alone(x, y, kind, skip)
    repeated = repetitions(x, y)
    overlaps = {prefix: overlap(x, rows) for prefix, rows in others.items() if len(rows)}

    def found() -> Iterator[warnings.DataWarning]:
        yield from warnings.leakage_findings(columns, scores, kind)
        yield from warnings.overlap_findings(overlaps)
        yield from warnings.repetition_findings(repeated)
        if kind == "classification":
            yield from warnings.class_findings(y, classes)
        yield from warnings.column_findings(columns)

    return Inspection(columns, repeated, scores, overlaps, tuple(found()))
