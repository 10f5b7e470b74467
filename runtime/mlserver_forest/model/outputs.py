"""The outputs of a model, and how each is computed for a block of rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import only_forest
from mlserver_forest.engine.predictor import Prediction, Predictor
from mlserver_forest.engine.threads import KernelThreads
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.formats.labels import Labels
from mlserver_forest.formats.predictions import Column
from mlserver_forest.formats.v2 import v2_tensor
from mlserver_forest.insight.baseline import Baseline
from mlserver_forest.insight.intervals import Intervals
from mlserver_forest.schema.output_names import (
    CONTRIBUTIONS,
    EXPECTED_VALUE,
    INSIGHT_DATATYPES,
    INTERVAL,
    OUT_OF_RANGE,
    OUT_OF_RANGE_FEATURES,
    PREDICT,
    PREDICTION_SET,
)
from mlserver_forest.schema.schema import Schema

_NO_CLASSES = np.empty(0)


class RowBlock:
    """Some rows, and what a model has computed for them so far.

    Args:
        x: (n_samples, n_features) the rows, in the dtype that the forest reads.
        forest: the trees.
        baseline: the baseline of the training rows, if the model has one.
        calibration: the calibration of intervals, if the model has one.
        threads: the threads that may walk trees; None for the caller's own.
    """

    def __init__(
        self,
        x: NDArray[Any],
        forest: Predictor,
        baseline: Baseline | None,
        calibration: Intervals | None,
        threads: KernelThreads | None,
    ) -> None:
        self.x = x
        self._forest = forest
        self._baseline = baseline
        self._calibration = calibration
        self._run = _in_this_thread if threads is None else threads.run
        self._prediction: Prediction | None = None

    # In Python 3.11, functools.cached_property would share one lock among all blocks.
    @property
    def prediction(self) -> Prediction:
        """As ``Forest.predict``; computed once, because several outputs need it."""
        if self._prediction is None:
            self._prediction = self._run(self._forest.predict, self.x)
        return self._prediction

    def contributions(self) -> NDArray[np.float64]:
        """Contributions: (n_samples, n_features), and one more axis for several outputs.

        Raises:
            ValueError: if the forest does not have covers.
        """
        found: NDArray[np.float64] = self._run(self._forest.contributions, self.x)
        return found[:, :, 0] if found.shape[2] == 1 else found

    def expected_value(self) -> NDArray[np.float64]:
        """float64 (n_samples, n_outputs), the same in each row; errors as in ``contributions``."""
        return np.tile(self._forest.expected_value, (len(self.x), 1))

    def out_of_range(self) -> NDArray[np.bool_]:
        """(n_samples, 1) whether any value of the row is out of range.

        Raises:
            InvalidArtifact: if the model has no baseline.
        """
        return np.asarray(self.out_of_range_features().any(axis=1, keepdims=True))

    def out_of_range_features(self) -> NDArray[np.bool_]:
        """(n_samples, n_features), as from ``Baseline.out_of_range``.

        Raises:
            InvalidArtifact: if the model has no baseline.
        """
        if self._baseline is None:
            raise InvalidArtifact("this model has no baseline; train it again to get one")
        return self._baseline.out_of_range(self.x)

    def interval(self) -> NDArray[np.float64]:
        """float64 (n_samples, 2), the low and the high end, in the unit of the target.

        Raises:
            InvalidArtifact: if the model has no intervals.
        """
        calibration = self._known_calibration()
        if calibration.samples is None:
            return calibration.widen(self.prediction.values.repeat(2, axis=1))
        forest = only_forest(self._forest)
        quantiles = partial(calibration.samples.quantiles, forest, calibration.levels)
        return calibration.widen(self._run(quantiles, self.x))

    def prediction_set(self) -> NDArray[np.bool_]:
        """(n_samples, n_classes) whether each class belongs to the set.

        Raises:
            InvalidArtifact: if the model has no prediction sets.
        """
        return self._known_calibration().sets(self.prediction.values)

    def _known_calibration(self) -> Intervals:
        if self._calibration is None:
            raise InvalidArtifact(
                "this model has no intervals; train it with the hyperparameter prediction_interval"
            )
        return self._calibration


Compute = Callable[[RowBlock], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a model.

    Attributes:
        name: such as ``predict_proba``.
        datatype: its V2 datatype.
        shape: the shape of one row.
        compute: gives (n_samples, *shape) values, or the (n_samples,) positions of classes.
        classes: (n_classes,) the labels if the output is each row's class; else empty.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    compute: Compute
    classes: NDArray[Any]

    def empty(self, n_rows: int) -> NDArray[Any]:
        """An empty array for the values that ``compute`` returns for ``n_rows`` rows."""
        if self.classes.size:
            return np.empty(n_rows, np.min_scalar_type(self.classes.size))
        return np.empty((n_rows, *self.shape), v2_tensor.DTYPES[self.datatype])

    def finish(self, computed: NDArray[Any]) -> Column:
        """Replace positions by labels: text as ``Labels`` (n,), other labels as (n, 1)."""
        if not self.classes.size:
            return computed
        if self.classes.dtype.kind == "O":
            return Labels(computed, self.classes)
        return np.asarray(self.classes[computed[:, None]])


def outputs_of(schema: Schema) -> dict[str, Output]:
    """The outputs that a schema declares, by name; ``predict`` comes first."""
    scores = {
        name: Output(name, "FP64", (columns.stop - columns.start,), _values(columns), _NO_CLASSES)
        for name, columns in schema.score_columns.items()
    }
    insights = {
        name: Output(name, INSIGHT_DATATYPES[name], shape, _INSIGHTS[name], _NO_CLASSES)
        for name, shape in schema.insights.items()
    }
    return {PREDICT: _predict(schema), **scores, **insights}


def _predict(schema: Schema) -> Output:
    dtype = v2_tensor.DTYPES.get(schema.label_datatype, np.dtype(object))
    compute = _positions if schema.classes else _values(slice(0, schema.n_targets))
    classes = np.array(schema.classes, dtype)
    return Output(PREDICT, schema.label_datatype, (schema.n_targets,), compute, classes)


def _values(columns: slice) -> Compute:
    return lambda block: block.prediction.values[:, columns]


def _positions(block: RowBlock) -> NDArray[Any]:
    return block.prediction.positions


def _in_this_thread(work: Callable[[NDArray[Any], int], Any], x: NDArray[Any]) -> Any:
    return work(x, 1)


_INSIGHTS: Mapping[str, Compute] = {
    CONTRIBUTIONS: RowBlock.contributions,
    EXPECTED_VALUE: RowBlock.expected_value,
    OUT_OF_RANGE: RowBlock.out_of_range,
    OUT_OF_RANGE_FEATURES: RowBlock.out_of_range_features,
    INTERVAL: RowBlock.interval,
    PREDICTION_SET: RowBlock.prediction_set,
}
