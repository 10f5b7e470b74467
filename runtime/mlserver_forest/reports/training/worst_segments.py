"""The segments with the worst errors: rows that are alike in one feature."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.importances import Importances
from mlserver_forest.reports.training.samples import affordable, rows_of

_SAMPLE = 20_000
_MOST_FEATURES = 10
_MOST_SEGMENTS = 10
_N_BINS = 4
_MOST_CATEGORIES = 50
# A segment is listed if its error is above that of all rows by this many standard errors.
_N_STANDARD_ERRORS = 2.0
_FEWEST_ROWS = 10
_FEWEST_IN_ALL = 50


@dataclass(frozen=True)
class WorstSegment:
    """Rows with some values of a feature.

    Attributes:
        feature: the name of the feature.
        values: the values, for a reader.
        n_rows: the number of rows.
        error: their mean absolute error, or the share of them that is predicted wrongly.
    """

    feature: str
    values: str
    n_rows: int
    error: float


@dataclass(frozen=True)
class Segments:
    """The segments in which the model errs the most.

    Attributes:
        prefix: the set of the rows.
        n_rows: the number of rows.
        error: the error of all of them.
        worst: the segments that err more than chance explains, the worst first.
    """

    prefix: str
    n_rows: int
    error: float
    worst: tuple[WorstSegment, ...]


def segments(facts: Facts, importances: Importances) -> Segments | None:
    """Find the segments of the most important features in which the model errs the most.

    Numbers are cut at their quartiles; categories and missing values are segments of their own.

    Args:
        facts: the facts of the job.
        importances: the importances of its features.

    Returns:
        None if there are fewer than 50 rows.
    """
    found = facts.evaluation_rows
    if len(found.y) < _FEWEST_IN_ALL:
        return None
    rows = rows_of(len(found.y), affordable(len(facts.names), _SAMPLE))
    x, y = found.x[rows], found.y[rows]
    errors = _errors(facts, found.predict(x), y)
    mean, deviation = float(errors.mean()), float(errors.std())
    worst = []
    for column in importances.ranking()[:_MOST_FEATURES].tolist():
        name = facts.names[column]
        for values, is_inside in _parts(facts, name, x[:, column]):
            n_inside = int(is_inside.sum())
            if not _FEWEST_ROWS <= n_inside < len(y):
                continue
            error = float(errors[is_inside].mean())
            if error - mean > _N_STANDARD_ERRORS * deviation / np.sqrt(n_inside):
                worst.append(WorstSegment(name, values, n_inside, error))
    worst.sort(key=lambda segment: -segment.error)
    return Segments(found.prefix, len(y), mean, tuple(worst[:_MOST_SEGMENTS]))


def _errors(facts: Facts, answers: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    """(n_samples,) 1 for each wrong class and 0 for each right one, or the size of the error."""
    if facts.kind == "classification":
        return np.asarray(facts.rule.positions(answers) != y, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.nan_to_num(np.abs(y - answers.reshape(-1))), np.float64)


def _parts(
    facts: Facts, name: str, values: NDArray[Any]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """The segments of a feature, each with a mask of its rows."""
    is_missing = np.isnan(values)
    if is_missing.any():
        yield "missing", is_missing
    known = values[~is_missing]
    categories = facts.categories.get(name)
    if categories is None:
        yield from _quarters(facts, name, values, known)
    elif not categories.is_hashed:
        codes, counts = np.unique(known, return_counts=True)
        for code in codes[np.argsort(-counts, kind="stable")[:_MOST_CATEGORIES]].tolist():
            label = categories.name_of(float(code))
            if label is not None:
                yield str(label), values == code


def _quarters(
    facts: Facts, name: str, values: NDArray[Any], known: NDArray[Any]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Each distinct number if there are few, or else the quarters of the rows."""
    shown = facts.shown(name)
    distinct = np.unique(known)
    if len(distinct) <= _N_BINS:
        for value in distinct:
            yield shown(float(value)), values == value
        return
    places = (np.arange(1, _N_BINS) * len(known)) // _N_BINS
    edges = np.unique(np.sort(known)[places])
    edges = edges[edges > distinct[0]]
    lows = [distinct[0], *edges]
    for i, low in enumerate(lows):
        is_last = i == len(lows) - 1
        high = distinct[-1] if is_last else lows[i + 1]
        is_inside = (values >= low) & ((values <= high) if is_last else (values < high))
        first, last = shown(float(low)), shown(float(high))
        yield f"{first} to {last}" if is_last else f"{first} to below {last}", is_inside
