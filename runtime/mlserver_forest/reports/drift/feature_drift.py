"""How far each feature has drifted, the most drifted first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.insight.comparison import Comparison, compare, count_rows
from mlserver_forest.insight.histograms import Histograms
from mlserver_forest.reports.drift.chance import chance_level
from mlserver_forest.reports.drift.reference import Reference
from mlserver_forest.resources import n_cpus
from mlserver_forest.schema.number_spelling import NumberSpelling
from mlserver_forest.schema.schema import Schema

MODERATE, LARGE = 0.1, 0.25


@dataclass(frozen=True)
class Bin:
    """Some values of a feature, and the shares of rows that have them in both tables."""

    values: str
    training: float
    recent: float


@dataclass(frozen=True)
class FeatureDrift:
    """The drift of one feature, or of the predictions.

    Attributes:
        name: the name of the feature.
        psi: the population stability index.
        missing_in_training, missing, unseen, out_of_range: shares of rows; the last three are
            shares of the recent rows.
        bins: the histogram; the first two bins are missing values and unseen categories.
        chance: the index that one of twenty tables of these sizes exceeds without any drift.
    """

    name: str
    psi: float
    missing_in_training: float
    missing: float
    unseen: float
    out_of_range: float
    bins: tuple[Bin, ...]
    chance: float

    @property
    def is_chance(self) -> bool:
        """Whether the index is one that tables of these sizes have without any drift."""
        return self.psi <= self.chance

    @property
    def reading(self) -> str:
        """The usual interpretation of the index: "stable", "moderate" or "large"."""
        if self.psi < MODERATE:
            return "stable"
        return "moderate" if self.psi <= LARGE else "large"


@dataclass(frozen=True)
class DriftResult:
    """The drift of a table.

    Attributes:
        n_training: the number of training rows.
        n_recent: the number of recent rows.
        features: the drift of each feature, the largest index first.
        prediction: the drift of the predictions of a model with a single output, or None.
    """

    n_training: int
    n_recent: int
    features: tuple[FeatureDrift, ...]
    prediction: FeatureDrift | None

    @property
    def worst(self) -> float:
        """The largest index of all."""
        return max(found.psi for found in [*self.features, *self._predictions()])

    def count(self, reading: str, *, is_chance: bool = False) -> int:
        """The number of features with a reading that is, or is not, explained by chance."""
        return sum(
            (found.reading, found.is_chance) == (reading, is_chance) for found in self.features
        )

    @property
    def fewest_rows(self) -> int:
        """The number of rows of the smaller table."""
        return min(self.n_recent, self.n_training)

    def _predictions(self) -> Sequence[FeatureDrift]:
        return [self.prediction] if self.prediction else []


def find(reference: Reference, x: NDArray[Any]) -> DriftResult:
    """Compare recent rows with the reference.

    Args:
        reference: the baseline of the training rows.
        x: (n, n_features) in the dtype of the features; n is at least 1.
    """
    baseline, schema, predictor = reference.baseline, reference.schema, reference.predictor
    prediction = None if predictor is None else predictor.predict(x, n_cpus())
    numbers = count_rows(baseline, schema, x, prediction)
    found = compare(baseline, numbers)
    shares = numbers[1 + len(baseline.ranges) :] / len(x)
    before = baseline.features.missing(baseline.features.shares)
    chance = chance_level(baseline.features, baseline.n_rows, len(x))
    features = [
        FeatureDrift(
            name,
            float(found.stability_index[column]),
            float(before[column]),
            float(found.missing[column]),
            float(found.unseen[column]),
            float(found.out_of_range[column]),
            _bins(
                baseline.features,
                shares,
                column,
                _categories(schema, name),
                schema.spellings.get(name, NumberSpelling()).shown,
            ),
            float(chance[column]),
        )
        for column, name in enumerate(schema.feature_names)
    ]
    return DriftResult(
        baseline.n_rows,
        len(x),
        tuple(sorted(features, key=lambda feature: -feature.psi)),
        _prediction(reference, found, len(x)),
    )


def _prediction(reference: Reference, found: Comparison, n_recent: int) -> FeatureDrift | None:
    predictions = reference.baseline.predictions
    if predictions.n_columns != 1:
        return None
    labels = [str(label) for label in reference.schema.classes]
    bins = _bins(predictions, found.predictions, 0, labels)
    chance = chance_level(predictions, reference.baseline.n_rows, n_recent)
    index = float(found.prediction_index[0])
    return FeatureDrift("prediction", index, 0, 0, 0, 0, bins, float(chance[0]))


def _categories(schema: Schema, name: str) -> Sequence[str]:
    """The categories that bins are named after; the bins of hashes are those of numbers."""
    found = schema.categories.get(name)
    return () if found is None or found.is_hashed else found.names


def _bins(
    histograms: Histograms,
    shares: NDArray[np.float64],
    column: int,
    categories: Sequence[str],
    shown: Callable[[float], str] = "{:g}".format,
) -> tuple[Bin, ...]:
    place = slice(*histograms.starts[column : column + 2])
    edges = histograms.edges[slice(*histograms.edge_starts[column : column + 2])].tolist()
    names = [
        "missing",
        "unseen",
        *(_category_bins(edges, categories) if categories else _number_bins(edges, shown)),
    ]
    pairs = zip(names, histograms.shares[place].tolist(), shares[place].tolist(), strict=True)
    return tuple(Bin(*found) for found in pairs)


def _number_bins(edges: Sequence[float], shown: Callable[[float], str]) -> list[str]:
    if not edges:
        return ["any number"]
    ends = list(map(shown, edges))
    inner = [f"{low} to {high}" for low, high in pairwise(ends)]
    return [f"up to {ends[0]}", *inner, f"above {ends[-1]}"]


def _category_bins(edges: Sequence[float], categories: Sequence[str]) -> list[str]:
    ends = [*(int(edge) for edge in edges), len(categories) - 1]
    starts = [0, *(end + 1 for end in ends[:-1])]
    return [
        categories[start] if start == end else f"{categories[start]} to {categories[end]}"
        for start, end in zip(starts, ends, strict=True)
    ]
