"""The training rows, looked at without a model."""

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
    """What the rows show.

    Attributes:
        columns: of the features, in their order.
        repetitions: rows that stand there more than once.
        scores_alone: (n_features,) how well each feature tells the target alone.
        overlaps: by prefix, other rows that also are training rows.
        findings: the warnings, the gravest first.
    """

    columns: tuple[Column, ...]
    repetitions: Repetitions
    scores_alone: NDArray[np.float64]
    overlaps: Mapping[str, Overlap]
    findings: tuple[warnings.Finding, ...]


def inspect(
    x: NDArray[Any],
    y: NDArray[Any],
    kind: TargetKind,
    classes: Sequence[Label],
    names: Sequence[str],
    categories: Mapping[str, Categories],
    others: Mapping[str, NDArray[Any]],
) -> Inspection:
    """Look at the training rows, and whether ``others``, by prefix, are among them."""
    columns = summarize(x, names, categories)
    skip = [i for i, column in enumerate(columns) if column.is_constant or column.is_missing]
    scores = scores_alone(x, y, kind, skip)
    repeated = repetitions(x, y)
    overlaps = {prefix: overlap(x, rows) for prefix, rows in others.items() if len(rows)}

    def found() -> Iterator[warnings.Finding]:
        yield from warnings.of_leakage(columns, scores, kind)
        yield from warnings.of_overlap(overlaps)
        yield from warnings.of_repetitions(repeated)
        if kind == "classification":
            yield from warnings.of_classes(y, classes)
        yield from warnings.of_columns(columns)

    return Inspection(columns, repeated, scores, overlaps, tuple(found()))
