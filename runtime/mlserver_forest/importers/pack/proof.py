"""Rows that are hard for a model, what its own library answers, and the comparison."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.nodes import CATEGORICAL, FEATURE_SHIFT, WIDTHS, shift_for
from mlserver_forest.importers.importer import ImportedModel
from mlserver_forest.schema.schema import Schema

_ROWS = 1000
_MISSING_SHARE = 0.1
# What float64 sums allow for the rounding of exp, and what float32 and other libraries do.
_TOLERANCES = {"sklearn": 1e-12, "xgboost": 1e-6, "lightgbm": 1e-6}


@dataclass(frozen=True, eq=False)
class Answers:
    """What the source library answers.

    Attributes:
        x: the rows, (n_samples, n_features) in the forest's dtype.
        values: float64 (n_samples, n_columns), as in ``Prediction``.
        positions: (n_samples,) the classes' positions; empty where it names none.
        tolerance: how far a value may differ, relative to its size or to 1.
    """

    x: NDArray[Any]
    values: NDArray[np.float64]
    positions: NDArray[np.intp]
    tolerance: float


@dataclass(frozen=True)
class Comparison:
    """How many rows differ, in the label or by more than the tolerance."""

    n_rows: int
    n_different: int
    largest: float

    def __str__(self) -> str:
        return f"{self.n_rows} rows, {self.n_different} differences, largest |Δ| {self.largest:.3g}"


def compare(forest: Forest, answers: Answers) -> Comparison:
    """Ask the forest, all rows together and the first ones alone, and compare."""
    prediction = forest.predict(answers.x)
    delta = np.abs(prediction.values - answers.values)
    allowed = answers.tolerance * np.maximum(np.abs(answers.values), 1)
    # Not greater, so that a NaN differs.
    different: NDArray[np.bool_] = np.any(~(delta <= allowed), axis=1)
    if answers.positions.size:
        different |= prediction.positions != answers.positions
    for row in range(min(len(answers.x), 64)):
        alone = forest.predict(answers.x[row : row + 1])
        different[row] |= not np.array_equal(alone.values[0], prediction.values[row])
    return Comparison(len(answers.x), int(different.sum()), float(delta.max(initial=0)))


def hard_rows(imported: ImportedModel, sample: NDArray[Any] | None) -> NDArray[Any]:
    """The sample, and generated rows whose values lie on thresholds and just beside them.

    Args:
        imported: the model.
        sample: (n, n_features) rows of the user's own, if there are any.
    """
    forest, schema = imported.forest, imported.schema
    rng = np.random.default_rng(0)
    thresholds = _thresholds(forest)
    columns = [_values(thresholds[feature], forest, rng) for feature in range(forest.n_features)]
    x = np.column_stack(columns)
    if schema.takes_missing:
        x[rng.random(x.shape) < _MISSING_SHARE] = np.nan
    return x if sample is None else np.concatenate([sample.astype(x.dtype), x])


def _thresholds(forest: Forest) -> list[NDArray[Any]]:
    """The distinct thresholds of each feature, or the edges of its categories."""
    word = forest.nodes.dtype.type
    shift = shift_for(forest.n_features)
    second = forest.nodes[:, 1]
    feature = (second & word((1 << shift) - 1)) >> word(FEATURE_SHIFT)
    values = forest.nodes[:, 0].view(WIDTHS[forest.nodes.dtype].floats)
    numeric = ~np.isnan(values) & (second & word(CATEGORICAL) == 0)
    order = np.argsort(feature[numeric], kind="stable")
    bounds = np.searchsorted(feature[numeric][order], np.arange(forest.n_features + 1))
    split = [values[numeric][order][bounds[i] : bounds[i + 1]] for i in range(forest.n_features)]
    if forest.cut_starts.size:
        starts = forest.cut_starts.tolist()
        split = [
            np.concatenate([found, forest.cuts[start:end]])
            for found, start, end in zip(split, starts, starts[1:], strict=False)
        ]
    return [np.unique(found) for found in split]


def _values(thresholds: NDArray[Any], forest: Forest, rng: np.random.Generator) -> NDArray[Any]:
    dtype = forest.feature_dtype
    with np.errstate(over="ignore"):
        on = thresholds.astype(dtype)
        beside = [np.nextafter(on, dtype.type(side)) for side in (-np.inf, np.inf)]
    between = rng.normal(np.mean(on) if on.size else 0, np.ptp(on) / 2 + 1 if on.size else 1, 100)
    with np.errstate(over="ignore", invalid="ignore"):
        pool = np.concatenate([on, *beside, [0], between.astype(dtype)]).astype(dtype)
    return rng.choice(pool[np.isfinite(pool)], _ROWS)


def ask(estimator: Any, x: NDArray[Any], schema: Schema, *, exact: bool) -> Answers:
    """What an estimator or booster itself answers.

    Args:
        estimator: what was imported.
        x: the rows.
        schema: of the import.
        exact: whether every bit must be equal.
    """
    library = type(estimator).__module__.split(".")[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # About feature names that an array has not.
        if type(estimator).__name__ == "Booster":
            values, positions = _ask_booster(estimator, x, library, schema)
        else:
            values, positions = _ask_estimator(estimator, x, library, schema)
    tolerance = 0.0 if exact else _TOLERANCES[library]
    return Answers(x, values.astype(np.float64), np.asarray(positions, np.intp), tolerance)


def _ask_estimator(
    estimator: Any, x: NDArray[Any], library: str, schema: Schema
) -> tuple[NDArray[Any], Any]:
    options = {"validate_features": False} if library == "xgboost" else {}
    if hasattr(estimator, "n_jobs") and library == "sklearn":
        estimator.n_jobs = 1  # So that the trees are summed in their order.
    labels = estimator.predict(x, **options)
    if schema.kind == "anomaly_detection":
        scores = [estimator.score_samples(x), estimator.decision_function(x)]
        return np.column_stack(scores), labels == 1
    if schema.kind == "classification":
        known = {label: position for position, label in enumerate(estimator.classes_.tolist())}
        positions = [known[label] for label in labels.tolist()]
        return estimator.predict_proba(x, **options), positions
    return labels.reshape(len(x), -1), ()


def _ask_booster(
    booster: Any, x: NDArray[Any], library: str, schema: Schema
) -> tuple[NDArray[Any], Any]:
    if library == "lightgbm":
        values = booster.predict(x)
    else:
        import xgboost

        # Whether a column holds categories is told by the booster, not by the array.
        data = xgboost.DMatrix(
            x,
            feature_names=booster.feature_names,
            feature_types=booster.feature_types,
            enable_categorical=True,
        )
        best = booster.attr("best_iteration")
        rounds = (0, 0) if best is None else (0, int(best) + 1)
        values = booster.predict(data, iteration_range=rounds)
    values = values.reshape(len(x), -1)
    if schema.kind != "classification":
        return values, ()
    if values.shape[1] == 1 and schema.n_value_columns > 2:  # multi:softmax answers with classes.
        margins = booster.predict(data, iteration_range=rounds, output_margin=True)
        powers = np.exp(margins - margins.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True), values[:, 0]
    if values.shape[1] == 1:
        values = np.column_stack([1 - values[:, 0], values[:, 0]])
    return values, values.argmax(axis=1)
