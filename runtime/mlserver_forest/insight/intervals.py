"""Prediction intervals and prediction sets, which hold the target as often as was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.leaf_samples import LeafSamples
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.schema.output_names import INTERVAL, PREDICTION_SET
from mlserver_forest.schema.schema import Schema

_LEVEL, _MARGIN = "interval.level", "interval.margin"
_SAMPLES = ("interval.starts", "interval.codes", "interval.targets")


@dataclass(frozen=True, eq=False)
class Intervals:
    """How sure a model is.

    Attributes:
        level: the share of targets that shall lie within, between 0 and 1.
        margin: of a regression, by how much ends are moved outward; of a classification, how
            improbable a class may be to belong to the set.
        samples: of the leaves, between whose quantiles an interval lies; None where it lies
            around the prediction.
    """

    level: float
    margin: float
    samples: LeafSamples | None = None

    @property
    def levels(self) -> tuple[float, float]:
        """Of the quantiles between which an interval lies."""
        return (1 - self.level) / 2, (1 + self.level) / 2

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for the forest file."""
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
        """The one output that these answer, and the shape of a row's."""
        if schema.kind == "classification":
            return {PREDICTION_SET: (len(schema.classes),)}
        return {INTERVAL: (2,)}

    def widened(self, ends: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) low and high, of the quantiles or twice the prediction, (n, 2)."""
        moved = ends + np.array([-self.margin, self.margin])
        middle = moved.mean(axis=1, keepdims=True)
        # A negative margin may be larger than half of an interval.
        crossed = moved[:, :1] > moved[:, 1:]
        return np.asarray(np.where(crossed, middle, moved))

    def sets(self, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n, n_classes) whether each class belongs to the set, of the classes' probabilities."""
        return np.less_equal(1.0 - probabilities, self.margin)


def intervals_from_arrays(
    arrays: Mapping[str, NDArray[Any]], forest: Forest, schema: Schema
) -> Intervals | None:
    """Read back what ``Intervals.arrays`` gave, or None where there is nothing of it.

    Raises:
        InvalidArtifact: if the arrays do not fit the forest and the schema.
    """
    given = [name for name in (_LEVEL, _MARGIN, *_SAMPLES) if name in arrays]
    if not given:
        return None
    of_number = schema.kind == "regression" and schema.n_targets == 1
    complete = {2: of_number or schema.kind == "classification", 5: of_number}
    if not complete.get(len(given), False) or given[:2] != [_LEVEL, _MARGIN]:
        raise _damaged(f"there are {', '.join(given)}, which a {schema.kind} cannot use alone")
    numbers = [arrays[name] for name in (_LEVEL, _MARGIN)]
    if any(a.shape != (1,) or a.dtype != np.float64 or not np.isfinite(a[0]) for a in numbers):
        raise _damaged("its level and margin are no numbers")
    level, margin = (float(array[0]) for array in numbers)
    if not 0 < level < 1:
        raise _damaged(f"its level is {level}; expected a number between 0 and 1")
    samples = LeafSamples(*(arrays[name] for name in _SAMPLES)) if len(given) == 5 else None
    if samples is not None:
        samples.check(forest)
    return Intervals(level, margin, samples)


def _damaged(fault: str) -> InvalidArtifact:
    return InvalidArtifact(f"the model's interval is damaged: {fault}; train the model again")
