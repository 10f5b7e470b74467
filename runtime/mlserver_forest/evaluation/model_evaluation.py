"""A model on rows whose targets are known: how good its predictions are."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Prediction
from mlserver_forest.engine.threads import KernelThreads
from mlserver_forest.errors import InvalidInput
from mlserver_forest.evaluation.calibration_bins import (
    CalibrationResult,
    calibration_of_classes,
    calibration_of_numbers,
)
from mlserver_forest.evaluation.evaluation_result import Evaluation, SegmentResult
from mlserver_forest.evaluation.known_targets import known_targets
from mlserver_forest.evaluation.quality_metrics import (
    metrics_of_classes,
    metrics_of_labels,
    metrics_of_numbers,
    sum_to_one,
)
from mlserver_forest.evaluation.row_segments import segments_of
from mlserver_forest.insight.coverage import Coverage
from mlserver_forest.model.model import Model
from mlserver_forest.schema.output_names import INTERVAL, PREDICT, PREDICTION_SET
from mlserver_forest.schema.schema import Schema


def evaluate_model(
    model: Model,
    x: NDArray[Any],
    targets: Iterable[Any],
    *,
    target: str = "",
    by: str = "",
    by_values: Iterable[object] = (),
    threads: KernelThreads | None = None,
) -> Evaluation:
    """Evaluate a model.

    Args:
        model: a classification, or a regression with one target.
        x: (n_samples, n_features), as ``Schema.conform`` returns it.
        targets: (n_samples,) labels or numbers, or their texts.
        target: the name of their column, for the result.
        by: the name of the column by which rows are divided, for the result.
        by_values: (n_samples,) its values, or their texts.
        threads: the threads that may walk trees; None for the caller's own.

    Raises:
        InvalidInput: naming a row whose target is not a class or a number; if no row has a target,
            or if the model cannot be evaluated.
    """
    y, rows = _known(targets, len(x), model.schema)
    answered = _Answers.of_model(model, x[rows], threads)
    intervals = model.calibration
    found = _evaluation(answered, y, rows, len(x), target, by, by_values)
    return replace(
        found,
        level=intervals.level if intervals is not None else None,
        coverage=answered.coverage(y),
    )


def evaluate_predictions(
    schema: Schema,
    predicted: Prediction,
    targets: Iterable[Any],
    *,
    target: str = "",
    by: str = "",
    by_values: Iterable[object] = (),
    times: Sequence[object] = (),
) -> Evaluation:
    """Evaluate answers that were given before.

    Args:
        schema: of the model that gave them.
        predicted: the answers, (n_samples, n_columns); without columns if only labels are known.
        targets: as in ``evaluate_model``.
        target: as there.
        by: as there.
        by_values: as there.
        times: (n_samples,) when they were given, or empty.

    Raises:
        InvalidInput: as ``evaluate_model``.
    """
    y, rows = _known(targets, len(predicted.values), schema)
    chosen = Prediction(predicted.values[rows], predicted.positions[rows])
    answered = _Answers(schema, chosen)
    found = _evaluation(answered, y, rows, len(predicted.values), target, by, by_values)
    over_time = _segments(answered, y, rows, times) if times else ()
    return replace(found, over_time=over_time)


def _known(
    targets: Iterable[Any], n_rows: int, schema: Schema
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The targets that are known, and their rows; there has to be one."""
    y, rows = known_targets(targets, schema)
    if not len(rows):
        raise InvalidInput(f"none of the {n_rows} rows has a target; expected one in each row")
    return y, rows


def _evaluation(
    answered: "_Answers",
    y: NDArray[Any],
    rows: NDArray[np.intp],
    n_rows: int,
    target: str,
    by: str,
    by_values: Iterable[object],
) -> Evaluation:
    everything = np.arange(len(y))
    return Evaluation(
        target=target,
        kind=answered.schema.kind,
        n_rows=len(y),
        n_without_target=n_rows - len(y),
        metrics=answered.metrics(y, everything),
        calibration=answered.calibration(y),
        by=by,
        segments=_segments(answered, y, rows, by_values) if by else (),
    )


class _Answers:
    """A model's answers to rows, and their intervals or sets if it has any."""

    def __init__(
        self, schema: Schema, predicted: Prediction, sets: NDArray[Any] | None = None
    ) -> None:
        self.schema = schema
        self._positions = predicted.positions
        self._is_class = schema.kind == "classification"
        values = predicted.values
        self._are_only_labels = not values.shape[1]
        if self._are_only_labels:
            self._values = values
        else:
            self._values = sum_to_one(values) if self._is_class else values[:, 0]
        self._sets = sets

    @classmethod
    def of_model(cls, model: Model, x: NDArray[Any], threads: KernelThreads | None) -> "_Answers":
        found: list[Prediction] = []
        sets = [name for name in (INTERVAL, PREDICTION_SET) if name in model.outputs]
        columns = model.answer(
            x, [PREDICT, *sets], threads, lambda _, prediction: found.append(prediction)
        )
        predicted = Prediction(
            np.concatenate([one.values for one in found]),
            np.concatenate([one.positions for one in found]),
        )
        return cls(model.schema, predicted, np.asarray(columns[sets[0]][:]) if sets else None)

    def metrics(self, y: NDArray[Any], rows: NDArray[np.intp]) -> dict[str, float]:
        """The metrics of some of the rows; ``y`` are their targets."""
        if not self._is_class:
            return metrics_of_numbers(self._values[rows], y)
        if self._are_only_labels:
            return metrics_of_labels(self._positions[rows], y) if len(rows) else {}
        n_classes = len(self.schema.classes)
        return metrics_of_classes(self._values[rows], self._positions[rows], y, n_classes)

    def calibration(self, y: NDArray[Any]) -> CalibrationResult | None:
        if self._are_only_labels:
            return None
        measure = calibration_of_classes if self._is_class else calibration_of_numbers
        return measure(y, self._values)

    def coverage(self, y: NDArray[Any]) -> Coverage | None:
        sets = self._sets
        if sets is None:
            return None
        if self._is_class:
            is_in, size = sets[np.arange(len(y)), y], sets.sum(axis=1)
        else:
            is_in, size = (sets[:, 0] <= y) & (y <= sets[:, 1]), sets[:, 1] - sets[:, 0]
        return Coverage(float(is_in.mean()), float(size.mean()), len(y), is_cross_fitted=False)


def _segments(
    answered: _Answers, y: NDArray[Any], rows: NDArray[np.intp], by_values: Iterable[object]
) -> tuple[SegmentResult, ...]:
    values = list(by_values)
    return tuple(
        SegmentResult(name, len(part), answered.metrics(y[part], part))
        for name, part in segments_of([values[row] for row in rows])
    )
