"""Prediction intervals and prediction sets that contain the target at a requested rate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import only_forest
from mlserver_forest.engine.leaf_samples import LeafSamples
from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.schema.output_names import INTERVAL, PREDICTION_SET
from mlserver_forest.schema.schema import Schema

_LEVEL, _MARGIN = "interval.level", "interval.margin"
_SAMPLES = ("interval.starts", "interval.codes", "interval.targets")


@dataclass(frozen=True, eq=False)
class Intervals:
    """How the intervals or prediction sets of a model are made.

    Attributes:
        level: the share of targets that should lie within, between 0 and 1.
        margin: for a regression, how far the ends are moved outward; for a classification, how
            improbable a class may be and still belong to the set (1 minus its probability).
        samples: the training targets in each leaf, whose quantiles give the interval; None if
            the interval is centered on the prediction.
    """

    level: float
    margin: float
    samples: LeafSamples | None = None

    @property
    def levels(self) -> tuple[float, float]:
        """The levels of the two quantiles between which an interval lies."""
        return (1 - self.level) / 2, (1 + self.level) / 2

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for the forest file; ``intervals_from_arrays`` reads them back."""
        found: dict[str, NDArray[Any]] = {
            _LEVEL: np.array([self.level]),
            _MARGIN: np.array([self.margin]),
        }
        if self.samples is not None:
            samples = self.samples
            arrays = (samples.starts, samples.codes, samples.targets)
            found |= dict(zip(_SAMPLES, arrays, strict=True))
        return found

    def outputs(self, schema: Schema) -> dict[str, tuple[int, ...]]:
        """The name of the output that a model of this schema has, and the shape of one row."""
        if schema.kind == "classification":
            return {PREDICTION_SET: (len(schema.classes),)}
        return {INTERVAL: (2,)}

    def widen(self, ends: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move the ends of intervals outward by the margin.

        Args:
            ends: (n_samples, 2) the two quantiles, or the prediction twice.

        Returns:
            float64 (n_samples, 2) the low and the high end.
        """
        moved = ends + np.array([-self.margin, self.margin])
        middle = moved.mean(axis=1, keepdims=True)
        # A negative margin may be larger than half of the interval.
        crossed = moved[:, :1] > moved[:, 1:]
        return np.asarray(np.where(crossed, middle, moved))

    def sets(self, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Find the classes in each prediction set.

        Args:
            probabilities: (n_samples, n_classes), columns in the order of the classes.

        Returns:
            bool (n_samples, n_classes), whether each class is in the set.
        """
        return np.less_equal(1.0 - probabilities, self.margin)


def intervals_from_arrays(
    arrays: Mapping[str, NDArray[Any]], predictor: Predictor, schema: Schema
) -> Intervals | None:
    """Read back ``Intervals.arrays``; None if there are none.

    Raises:
        InvalidArtifact: if the arrays do not fit the forest and the schema.
    """
    given = [name for name in (_LEVEL, _MARGIN, *_SAMPLES) if name in arrays]
    if not given:
        return None
    is_single_number = schema.kind == "regression" and schema.n_targets == 1
    complete = {2: is_single_number or schema.kind == "classification", 5: is_single_number}
    if not complete.get(len(given), False) or given[:2] != [_LEVEL, _MARGIN]:
        raise _damaged(f"a {schema.kind} cannot use {', '.join(given)} alone")
    numbers = [arrays[name] for name in (_LEVEL, _MARGIN)]
    if any(a.shape != (1,) or a.dtype != np.float64 or not np.isfinite(a[0]) for a in numbers):
        raise _damaged("its level and margin are not finite numbers")
    level, margin = (float(array[0]) for array in numbers)
    if not 0 < level < 1:
        raise _damaged(f"its level is {level}; expected a number between 0 and 1")
    samples = LeafSamples(*(arrays[name] for name in _SAMPLES)) if len(given) == 5 else None
    if samples is not None:
        samples.check(only_forest(predictor))
    return Intervals(level, margin, samples)


def starts_of_samples(arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any] | None:
    """The ``LeafSamples.starts`` among the arrays of a forest file; None if there are none."""
    return arrays.get(_SAMPLES[0])


def _damaged(fault: str) -> InvalidArtifact:
    return InvalidArtifact(f"the model's interval is damaged: {fault}; train the model again")
