"""Rows counted by the bins of a baseline, and how far they drifted from it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Prediction
from mlserver_forest.insight.baseline import Baseline, prediction_columns
from mlserver_forest.schema.schema import Schema


@dataclass(frozen=True, eq=False)
class Comparison:
    """Some rows, compared with the training rows.

    Attributes:
        n_rows: the number of rows.
        stability_index: (n_features,) the population stability index (PSI) of each feature.
        missing: (n_features,) the share of rows in which the value is missing.
        unseen: (n_features,) the share of rows with a category that training did not see.
        out_of_range: (n_features,) the share of rows that are out of range.
        predictions: the shares of the predicted classes, or of the bins of each target.
        prediction_index: (n_targets,) the PSI of the predictions.
    """

    n_rows: float
    stability_index: NDArray[np.float64]
    missing: NDArray[np.float64]
    unseen: NDArray[np.float64]
    out_of_range: NDArray[np.float64]
    predictions: NDArray[np.float64]
    prediction_index: NDArray[np.float64]


def n_counts(baseline: Baseline) -> int:
    """The length of what ``count_rows`` returns."""
    n_bins = baseline.features.shares.size + baseline.predictions.shares.size
    return 1 + len(baseline.ranges) + n_bins


def count_rows(
    baseline: Baseline, schema: Schema, x: NDArray[Any], prediction: Prediction | None
) -> NDArray[np.float64]:
    """Count rows. The counts of different rows may be added up.

    Args:
        baseline: the baseline of the model, or of its first features.
        schema: the schema of the model.
        x: (n_samples, n_features) in the dtype of the features.
        prediction: the prediction for these rows, or None if the baseline has no predictions.

    Returns:
        float64 (n_counts,): the number of rows; for each feature, how many values are outside
        its range; and the counts of the histograms, of features and then of predictions.
    """
    counts, beyond = baseline.features.count_within(x, baseline.ranges)
    predicted = baseline.predictions.count(prediction_columns(prediction, len(x), schema))
    return np.concatenate([[len(x)], beyond, counts, predicted])


def compare(baseline: Baseline, sums: NDArray[np.float64]) -> Comparison:
    """Compare rows with the baseline.

    Args:
        baseline: as in ``count_rows``.
        sums: (n_counts,) the sum of results of ``count_rows``, for at least one row.
    """
    features, predictions = baseline.features, baseline.predictions
    n_features = len(baseline.ranges)
    n_rows = float(sums[0])
    beyond = sums[1 : 1 + n_features]
    counts = sums[1 + n_features :][: features.shares.size]
    predicted = sums[1 + n_features + features.shares.size :]
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
