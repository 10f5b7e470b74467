"""What the training rows looked like, for comparison with other rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Prediction, Predictor
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.insight import histograms
from mlserver_forest.insight.histograms import MOST_CATEGORY_BINS, Histograms
from mlserver_forest.resources import n_cpus
from mlserver_forest.schema.categories import UNSEEN_BITS
from mlserver_forest.schema.schema import Schema

# This many rows give the shares of ten bins to within a tenth of a percent, and this many values
# take about a second.
_MOST_ROWS = 200_000
_MOST_VALUES = 20_000_000
_FEWEST_ROWS = 1_000
_BLOCK_VALUES = 1 << 20
_FEATURES, _PREDICTIONS = "baseline_features", "baseline_predictions"
_RANGES, _N_ROWS = "baseline_ranges", "baseline_n_rows"


@dataclass(frozen=True, eq=False)
class Baseline:
    """The distribution of each feature in training, and of the model's predictions.

    Attributes:
        features: histograms of the features, of a sample if there are many rows; the shares of
            missing values are those of all rows.
        predictions: a histogram of the predicted classes, or of each target's predictions.
        ranges: (n_features, 2) float64, the smallest and the largest value (for a categorical
            feature, code) in all rows; NaN if all values are missing.
        n_rows: the number of training rows.
    """

    features: Histograms
    predictions: Histograms
    ranges: NDArray[np.float64]
    n_rows: int

    @classmethod
    def from_rows(cls, x: NDArray[Any], predictor: Predictor | None, schema: Schema) -> "Baseline":
        """Learn the baseline of training rows.

        Args:
            x: (n_samples, n_features) in the dtype of the features, at least one row.
            predictor: what predicts the rows; if None, ``predictions`` has no columns.
            schema: the schema of the model.

        Raises:
            ValueError: if ``x`` does not have the predictor's dtype and width.
        """
        ranges, n_missing = _totals(x)
        n_most = max(_FEWEST_ROWS, min(_MOST_ROWS, _MOST_VALUES // max(x.shape[1], 1)))
        sample = x
        if len(x) > n_most:
            sample = x[np.linspace(0, len(x) - 1, n_most).astype(np.int64)]
        n_categories = {
            column: found.n_codes for column, found in schema.categories_by_column.items()
        }
        for column, found in schema.categories_by_column.items():
            if found.is_hashed:  # A hash that training did not see is not beyond the others.
                ranges[column] = 0, found.n_codes - 1
        n_classes = len(schema.classes)
        prediction = predictor.predict(sample, n_cpus()) if predictor else None
        predicted = prediction_columns(prediction, len(sample), schema)
        return cls(
            histograms.learn(sample, n_categories, MOST_CATEGORY_BINS, n_missing / len(x)),
            histograms.learn(predicted, {0: n_classes} if n_classes else {}, n_classes),
            ranges,
            len(x),
        )

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for the forest file; ``baseline_from_arrays`` reads them back."""
        return {
            **self.features.arrays(_FEATURES),
            **self.predictions.arrays(_PREDICTIONS),
            _RANGES: self.ranges,
            _N_ROWS: np.array([self.n_rows], np.uint64),
        }

    @property
    def may_miss(self) -> NDArray[np.bool_]:
        """(n_features,) whether training saw missing values."""
        return self.features.missing(self.features.shares) > 0

    def first(self, n_features: int) -> "Baseline":
        """The baseline of the first ``n_features`` features."""
        return replace(
            self, features=self.features.first(n_features), ranges=self.ranges[:n_features]
        )

    def out_of_range(self, x: NDArray[Any]) -> NDArray[np.bool_]:
        """Which values are unlike those of training.

        A value is out of range if it is below the training minimum or above the training
        maximum, if it is a category that training did not see, or if it is missing although it
        was never missing in training.

        Args:
            x: (n_samples, n_features) in the dtype of the features.

        Returns:
            bool, the shape of ``x``.
        """
        low, high = self.ranges.T
        with np.errstate(invalid="ignore"):
            is_outside = ~((x >= low) & (x <= high))
        bits, unseen = UNSEEN_BITS[x.dtype]
        is_outside &= ~(np.isnan(x) & self.may_miss)
        is_outside |= x.view(bits) == unseen
        return np.asarray(is_outside)


def prediction_columns(
    prediction: Prediction | None, n_rows: int, schema: Schema
) -> NDArray[np.float64]:
    """Predictions as a matrix: the position of the class, or one column for each target.

    Args:
        prediction: as ``Forest.predict`` returns it, or None.
        n_rows: the number of rows, which is needed if ``prediction`` is None.
        schema: the schema of the model.

    Returns:
        float64 (n_rows, n_columns); it has no columns if ``prediction`` is None.
    """
    if prediction is None:
        return np.empty((n_rows, 0))
    if schema.classes:
        return prediction.positions.astype(np.float64)[:, None]
    return np.ascontiguousarray(prediction.values[:, : schema.n_targets])


def baseline_from_arrays(arrays: Mapping[str, NDArray[Any]], schema: Schema) -> Baseline | None:
    """Read back ``Baseline.arrays``; None if there are none.

    Raises:
        InvalidArtifact: if the arrays do not fit the schema.
    """
    if _RANGES not in arrays:
        return None
    ranges, n_rows = arrays[_RANGES], arrays.get(_N_ROWS, np.empty(0))
    low, high = ranges.T if ranges.shape == (schema.n_features, 2) else (np.inf, -np.inf)
    is_empty = np.isnan(low) & np.isnan(high)
    is_sound = np.all(is_empty | (np.isfinite(low) & np.isfinite(high) & (low <= high)))
    if ranges.dtype != np.float64 or not is_sound:
        raise InvalidArtifact(
            "the ranges of the features in the forest file are not in the form that training writes"
        )
    if n_rows.shape != (1,) or n_rows.dtype != np.uint64 or not n_rows[0]:
        raise InvalidArtifact("the forest file does not say how many rows the model was trained on")
    n_predicted = 1 if schema.classes else schema.n_targets
    return Baseline(
        histograms.from_arrays(arrays, _FEATURES, schema.n_features),
        histograms.from_arrays(arrays, _PREDICTIONS, n_predicted),
        ranges,
        int(n_rows[0]),
    )


def _totals(x: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The ranges, (n_features, 2), and counts of missing values, in one pass over all rows."""
    n_features = x.shape[1]
    low, high = np.full(n_features, np.nan), np.full(n_features, np.nan)
    n_missing = np.zeros(n_features, np.int64)
    step = max(1, _BLOCK_VALUES // max(n_features, 1))
    for first in range(0, len(x), step):
        block = x[first : first + step]
        n_missing += np.isnan(block).sum(axis=0)
        low, high = np.fmin(low, np.fmin.reduce(block)), np.fmax(high, np.fmax.reduce(block))
    return np.column_stack([low, high]), n_missing
