"""Partial dependence: the average prediction when one feature has the same value in every row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.importances import Importances
from mlserver_forest.reports.training.samples import rows_of

# At most 6 x 24 x 400 rows are predicted.
_MOST_FEATURES = 6
_N_VALUES = 24
_MOST_CATEGORIES = 12
_SAMPLE = 400
_DAY = 86_400
_MOST_CLASSES = 4
# Beyond these quantiles there are few rows, as in sklearn.inspection.partial_dependence.
_ENDS = (0.05, 0.95)


@dataclass(frozen=True, eq=False)
class Dependence:
    """The partial dependence on one feature.

    Attributes:
        feature: the name of the feature.
        values: (n_values,) float64, numbers or codes of categories, ascending.
        labels: the values, for a reader.
        averages: (n_values, n_lines) the average answers: one line for a number and for two
            classes, or the probabilities of the most frequent classes.
        is_categorical: whether the values are categories.
    """

    feature: str
    values: NDArray[np.float64]
    labels: tuple[str, ...]
    averages: NDArray[np.float64]
    is_categorical: bool


@dataclass(frozen=True, eq=False)
class Dependences:
    """The partial dependence on the most important features.

    Attributes:
        n_rows: how many training rows are averaged.
        classes: positions of the classes whose probabilities are averaged; empty for numbers.
        features: the features, the most important first.
    """

    n_rows: int
    classes: tuple[int, ...]
    features: tuple[Dependence, ...]


def dependences(facts: Facts, importances: Importances) -> Dependences:
    """Compute the partial dependence on the most important features, by brute force.

    Args:
        facts: the facts of the job.
        importances: the importances of its features; one without importance has no curve.
    """
    rows = rows_of(facts.n_rows, _SAMPLE)
    classes = _classes(facts)
    found: list[Dependence] = []
    for column in importances.ranking().tolist():
        if len(found) == _MOST_FEATURES or not importances.permutation[column] > 0:
            break
        dependence = _dependence(facts, column, facts.x[rows], classes)
        if dependence is not None:
            found.append(dependence)
    return Dependences(len(rows), classes, tuple(found))


def _classes(facts: Facts) -> tuple[int, ...]:
    """The second of two classes, or the most frequent ones in their order."""
    n_classes = len(facts.classes)
    if n_classes <= 2:
        return (n_classes - 1,) if n_classes else ()
    counts = np.bincount(facts.y, minlength=n_classes)
    return tuple(np.sort(np.argsort(-counts, kind="stable")[:_MOST_CLASSES]).tolist())


def _dependence(
    facts: Facts, column: int, x: NDArray[Any], classes: tuple[int, ...]
) -> Dependence | None:
    name = facts.names[column]
    categories = facts.categories.get(name)
    known = facts.x[:, column]
    known = known[np.isfinite(known)]
    if categories is not None and categories.is_hashed:
        return None
    values = _numbers(known) if categories is None else _codes(known)
    if len(values) > 1 and facts.is_date(name) and np.ptp(values) > _N_VALUES * _DAY:
        values = np.unique(np.round(values / _DAY) * _DAY)
    if len(values) < 2:
        return None
    tiled = np.tile(x, (len(values), 1))
    tiled[:, column] = np.repeat(values, len(x))
    answers = facts.predict(tiled).reshape(len(values), len(x), -1)
    averages = answers.mean(axis=1)
    shown = facts.shown(name)
    labels = tuple(
        shown(float(value)) if categories is None else str(categories.name_of(float(value)))
        for value in values
    )
    return Dependence(
        name,
        values.astype(np.float64),
        labels,
        averages[:, list(classes)] if classes else averages,
        categories is not None,
    )


def _numbers(known: NDArray[Any]) -> NDArray[Any]:
    """Each number if there are few, or else even steps between the outer quantiles."""
    distinct = np.unique(known)
    if len(distinct) <= _N_VALUES:
        return distinct
    low, high = np.quantile(known.astype(np.float64), _ENDS)
    if not low < high:
        low, high = float(distinct[0]), float(distinct[-1])
    # The distance of the largest numbers does not fit float64.
    shares = np.linspace(0, 1, _N_VALUES)
    return np.unique((low * (1 - shares) + high * shares).astype(known.dtype))


def _codes(known: NDArray[Any]) -> NDArray[Any]:
    """The most frequent categories, in their order."""
    codes, counts = np.unique(known, return_counts=True)
    return np.sort(codes[np.argsort(-counts, kind="stable")[:_MOST_CATEGORIES]])
