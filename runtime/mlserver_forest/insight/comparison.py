"""Rows counted by a baseline's bins, and how far from the baseline they lie."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Prediction
from mlserver_forest.insight.baseline import Baseline, answer_columns
from mlserver_forest.schema.schema import Schema


@dataclass(frozen=True, eq=False)
class Comparison:
    """Some rows against those of training.

    Attributes:
        n_rows: how many they are.
        stability_index: (n_features,) the population stability index.
        missing: (n_features,) the share of rows without a value.
        unseen: (n_features,) the share whose word training did not see.
        out_of_range: (n_features,) the share that is out of the range of training.
        predictions: the shares of the predicted classes, or of the bins of each target.
        prediction_index: (n_targets,) the index of what is predicted.
    """

    n_rows: float
    stability_index: NDArray[np.float64]
    missing: NDArray[np.float64]
    unseen: NDArray[np.float64]
    out_of_range: NDArray[np.float64]
    predictions: NDArray[np.float64]
    prediction_index: NDArray[np.float64]


def n_numbers(baseline: Baseline) -> int:
    """The length of what ``counted`` gives."""
    n_counts = baseline.features.shares.size + baseline.predictions.shares.size
    return 1 + len(baseline.ranges) + n_counts


def counted(
    baseline: Baseline, schema: Schema, x: NDArray[Any], prediction: Prediction | None
) -> NDArray[np.float64]:
    """Rows as numbers that may be added up.

    Args:
        baseline: of the model, or of its first features.
        schema: of the model.
        x: (n, n_features) of the dtype of the features.
        prediction: for them, or None where the baseline has none.

    Returns:
        The number of rows; by feature, of values beyond its range; and the counts of the
        histograms, of features and of predictions.
    """
    counts, beyond = baseline.features.count_within(x, baseline.ranges)
    predicted = baseline.predictions.count(answer_columns(prediction, len(x), schema))
    return np.concatenate([[len(x)], beyond, counts, predicted])


def compared(baseline: Baseline, numbers: NDArray[np.float64]) -> Comparison:
    """What the sum of such numbers, of one row or more, tells."""
    features, predictions = baseline.features, baseline.predictions
    n_features = len(baseline.ranges)
    n_rows = float(numbers[0])
    beyond = numbers[1 : 1 + n_features]
    counts = numbers[1 + n_features :][: features.shares.size]
    predicted = numbers[1 + n_features + features.shares.size :]
    missing, unseen = features.missing(counts), features.unseen(counts)
    strange = beyond + unseen + np.where(baseline.may_miss, 0, missing)
    return Comparison(
        n_rows,
        features.stability_index(counts),
        missing / n_rows,
        unseen / n_rows,
        strange / n_rows,
        predicted / n_rows,
        predictions.stability_index(predicted),
    )
