"""Generated tables, rows that are hard for a model, and comparisons with its library."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mlserver_forest.importers.importer import import_estimator

LABELS = {
    "strings": lambda codes: np.array([f"class {code:02}" for code in codes]),
    "integers": lambda codes: codes * 3 - 5,
    "booleans": lambda codes: codes > codes.min(),
    "whole floats": lambda codes: codes * 2.0,
}
# Zeros, the smallest numbers of either width, and LightGBM's own zero, 1e-35.
_TINY = np.array([0.0, -0.0, 5e-324, -5e-324, 1e-45, -1e-45, 1e-40, 1e-36, -1e-36, 1e-35])


@dataclass(frozen=True, repr=False)
class Table:
    """Generated training data.

    Attributes:
        x: (n_samples, n_features) float64.
        rng: for whatever else a test draws.
        n_rows: how many rows to ask about: few, a block of 64, or more than one.
    """

    x: Any
    rng: np.random.Generator
    n_rows: int

    def __repr__(self):
        return f"<Table {self.x.shape}, {self.n_rows} rows>"

    def classes(self, n_classes):
        """(n_samples,) class numbers from 0; each class occurs."""
        codes = self.rng.integers(0, n_classes, len(self.x))
        codes[:n_classes] = np.arange(n_classes)[: len(codes)]
        return np.unique(codes, return_inverse=True)[1]

    def numbers(self, *, positive=False):
        """(n_samples,) targets of any scale that depend on the first column."""
        signal = np.argsort(np.argsort(self.x[:, 0])) / len(self.x)
        y = (signal + self.rng.normal(size=len(self.x))) * 10.0 ** self.rng.integers(-2, 4)
        return np.abs(y) + 0.01 if positive else y


@st.composite
def tables(draw, *, missing=True, most_features=12):
    """Tables of random shape and scale, with few distinct, denormal or missing values."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (draw(st.integers(24, 150)), draw(st.integers(1, most_features)))
    x = rng.normal(size=shape) * 10.0 ** draw(st.sampled_from([-40, -36, -3, 0, 0, 0, 6, 30]))
    kind = draw(st.sampled_from(["continuous", "grid", "neighbours", "constant column"]))
    if kind == "grid":  # Duplicate thresholds and ties.
        x = rng.integers(-3, 9, shape) / draw(st.sampled_from([1, 8, 10]))
    elif kind == "neighbours":  # Thresholds between numbers that are almost equal in float32.
        x = (np.float32(0.1) + rng.integers(0, 6, shape) * np.spacing(np.float32(0.1))) * 1.0
    elif kind == "constant column":
        x[:, 0] = 7
    if missing and draw(st.booleans()):
        x[rng.random(shape) < 0.15] = np.nan
    return Table(x, rng, draw(st.sampled_from([*range(1, 10), 25, 64, 65, 200])))


def hard_rows(table, splits, dtype, *, missing=True, infinite=False):
    """Float64 rows whose values lie on thresholds and one ulp beside them.

    Args:
        table: the training data, from which some rows are taken as they are.
        splits: (features, thresholds) of the model's splits, as its library lists them.
        dtype: in which the library compares. All float64 values that are not of this
            dtype are rounded, some of them across a threshold.
        missing: whether NaN may occur.
        infinite: whether infinities may.
    """
    rng, limit = table.rng, float(np.finfo(dtype).max)
    x = table.x[rng.integers(0, len(table.x), table.n_rows)].copy()
    features, thresholds = (np.asarray(values) for values in splits)
    for feature in range(x.shape[1]):
        pool = _beside(thresholds[features == feature].astype(np.float64), dtype)
        pool = np.clip(np.concatenate([pool, rng.choice(_TINY, 3), [limit, -limit]]), -limit, limit)
        replaced = rng.random(len(x)) < 0.8
        x[replaced, feature] = rng.choice(pool, replaced.sum())
    if infinite:
        x[rng.random(x.shape) < 0.05] = np.inf
        x[rng.random(x.shape) < 0.05] = -np.inf
    if missing and rng.random() < 0.6:
        x[rng.random(x.shape) < 0.2] = np.nan
    return x


def _beside(thresholds, dtype):
    """Thresholds, and their neighbours in float64 and float32, several times each."""
    with np.errstate(over="ignore"):
        narrow = thresholds.astype(np.float32)
        near = [narrow, *(np.nextafter(narrow, np.float32(side)) for side in (-np.inf, np.inf))]
        near += [thresholds, *(np.nextafter(thresholds, side) for side in (-np.inf, np.inf))]
        # Halfway between two float32 numbers, and beside it: rounded either way.
        halfway = (narrow.astype(np.float64) + near[2].astype(np.float64)) / 2
        near += [halfway, np.nextafter(halfway, -np.inf), np.nextafter(halfway, np.inf)]
    pool = np.concatenate([values.astype(np.float64) for values in near])
    limit = float(np.finfo(dtype).max)
    return np.tile(pool[np.abs(pool) <= limit], 4)


def answers(imported, rows):
    """Ours, all rows together; each row alone gives the same to the bit.

    What may not be sent (an infinite number) goes around the schema.
    """
    x = rows.astype(imported.schema.dtype)
    if np.isfinite(rows[~np.isnan(rows)]).all() and imported.schema.takes_missing:
        x = imported.schema.conform(rows)
    together = imported.forest.predict(x)
    for row in range(0, len(x), max(1, len(x) // 5)):
        alone = imported.forest.predict(x[row : row + 1])
        assert np.array_equal(alone.values[0], together.values[row])
        assert alone.positions[0] == together.positions[row]
    return together


def labels(imported, prediction):
    return np.array(imported.schema.classes)[prediction.positions]


def assert_classifier(estimator, rows, *, rtol, atol=0.0):
    """Equal labels, and probabilities within a tolerance; both 0 means to the bit."""
    imported = import_estimator(estimator)
    prediction = answers(imported, rows)
    assert imported.schema.classes == tuple(estimator.classes_.tolist())
    assert_values(prediction.values, estimator.predict_proba(rows), rtol=rtol, atol=atol)
    assert np.array_equal(labels(imported, prediction), estimator.predict(rows))
    return imported


def assert_regressor(estimator, rows, *, rtol, atol=0.0):
    imported = import_estimator(estimator)
    values = answers(imported, rows).values
    assert_values(values, estimator.predict(rows).reshape(len(rows), -1), rtol=rtol, atol=atol)
    assert imported.schema.kind == "regression"
    assert imported.schema.n_targets == values.shape[1]
    return imported


def assert_values(ours, theirs, *, rtol, atol=0.0):
    assert ours.shape == theirs.shape
    if rtol == atol == 0:
        assert np.array_equal(ours, theirs)
    else:
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)
