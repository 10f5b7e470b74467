"""Where a function of a number crosses levels, found to the last bit by bisection.

Finite float64 numbers are ordered like the integers that ``keys_of`` gives them, so a bisection
takes 64 steps, for all levels at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.scikit_learn.pipelines.prepared import PreparedColumn

Keys = NDArray[np.int64]
Evaluate = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_LEAST = np.int64(np.iinfo(np.int64).min)
# Around a crossing, so many neighbors are looked at: rounding may make a function step back.
_NEIGHBORS = 32
_MOST_NEIGHBORS = 1 << 15
# Intervals times levels.
_MOST_AT_ONCE = 1 << 24


def keys_of(numbers: NDArray[np.float64]) -> Keys:
    """(n,) integers in the order of the numbers; neighbors differ by 1, and both zeros are 0."""
    bits = np.ascontiguousarray(numbers, np.float64).view(np.int64)
    return np.where(bits < 0, _LEAST - bits, bits)


def numbers_of(keys: Keys) -> NDArray[np.float64]:
    """(n,) the numbers of ``keys_of``; 0 is positive."""
    keys = np.ascontiguousarray(keys, np.int64)
    return np.where(keys < 0, _LEAST - keys, keys).view(np.float64)


LOWEST, HIGHEST = keys_of(np.array([-1, 1]) * np.finfo(np.float64).max).tolist()


@dataclass(frozen=True, eq=False)
class Side:
    """On which side of a test the numbers of a column lie.

    Attributes:
        first: whether the lowest number goes left.
        flips: ascending keys after which the side changes.
    """

    first: bool
    flips: Keys


class Line:
    """A function of a number, on intervals in which it rises or falls.

    Args:
        evaluate: (n,) numbers -> (n,) float64 results, which may be NaN.
        edges: as in ``ColumnFunction``.
    """

    def __init__(self, evaluate: Evaluate, ends: Keys | None = None) -> None:
        self._evaluate = evaluate
        # The last key of each interval.
        self._ends = np.array([HIGHEST], np.int64) if ends is None else ends

    def at(self, keys: Keys) -> NDArray[np.float64]:
        """(n,) the results for the numbers with these keys."""
        return self._evaluate(numbers_of(keys))

    @property
    def starts(self) -> Keys:
        """The first key of each interval."""
        return np.concatenate([[LOWEST], self._ends[:-1] + 1])

    @property
    def ends(self) -> Keys:
        """The last key of each interval."""
        return self._ends

    def divided_by(self, levels: NDArray[np.float64]) -> Keys:
        """The intervals' ends, and the last key before each crossing of a level or of NaN."""
        ends = np.unique(np.concatenate([self._ends, self._nan_borders()]))
        if not len(levels):
            return ends
        flips = [side.flips for side in Line(self._evaluate, ends).sides(levels)]
        return np.unique(np.concatenate([ends, *flips]))

    def sides(self, levels: NDArray[np.float64], *, nan_goes_left: bool = False) -> list[Side]:
        """For each level, which numbers have results of at most this level.

        Args:
            levels: (n_levels,) numbers.
            nan_goes_left: the side of numbers whose result is NaN.
        """
        levels = np.asarray(levels, np.float64)
        starts, ends = self.starts, self._ends
        low, high = self.at(starts), self.at(ends)
        found: list[Side] = []
        step = max(1, _MOST_AT_ONCE // len(ends))
        for start in range(0, len(levels), step):
            some = levels[start : start + step]
            at_start = _is_left(low, some, nan_goes_left)
            at_end = _is_left(high, some, nan_goes_left)
            flips: list[list[int]] = [[] for _ in some]
            # Between two intervals.
            for place, level in np.argwhere(at_start[1:] != at_end[:-1]).tolist():
                flips[level].append(int(ends[place]))
            crossed = at_start != at_end
            for place in np.flatnonzero(crossed.any(axis=1)).tolist():
                here = np.flatnonzero(crossed[place])
                keys = self._crossings(
                    int(starts[place]),
                    int(ends[place]),
                    some[here],
                    at_start[place, here],
                    nan_goes_left=nan_goes_left,
                )
                for level, own in zip(here.tolist(), keys, strict=True):
                    flips[level] += own
            found += [
                Side(bool(first), np.sort(np.array(keys, np.int64)))
                for first, keys in zip(at_start[0], flips, strict=True)
            ]
        return found

    def _nan_borders(self) -> Keys:
        """The last keys before a result becomes NaN, or stops to be NaN, within an interval."""
        starts, ends = self.starts, self._ends
        differ = np.isnan(self.at(starts)) != np.isnan(self.at(ends))
        return np.array(
            [
                _last_alike(lambda keys: np.isnan(self.at(keys)), start, end)
                for start, end in zip(starts[differ].tolist(), ends[differ].tolist(), strict=True)
            ],
            np.int64,
        )

    def _crossings(
        self,
        start: int,
        end: int,
        levels: NDArray[np.float64],
        at_start: NDArray[np.bool_],
        *,
        nan_goes_left: bool,
    ) -> list[list[int]]:
        """For each level, the keys of an interval after which the side changes."""
        low = np.full(len(levels), start, np.int64)
        high = np.full(len(levels), end, np.int64)
        while True:
            # Without overflow, and rounded down.
            middle = (low >> 1) + (high >> 1) + (low & high & 1)
            open_ = middle > low
            if not open_.any():
                break
            same = _pairwise_left(self.at(middle), levels, nan_goes_left) == at_start
            low = np.where(same & open_, middle, low)
            high = np.where(~same & open_, middle, high)
        return self._settled(low, start, end, levels, at_start, nan_goes_left=nan_goes_left)

    def _settled(
        self,
        last: Keys,
        start: int,
        end: int,
        levels: NDArray[np.float64],
        at_start: NDArray[np.bool_],
        *,
        nan_goes_left: bool,
    ) -> list[list[int]]:
        """All changes of the side near the crossings that bisection found."""
        offsets = np.arange(-_NEIGHBORS + 1, _NEIGHBORS + 1)
        near = np.clip(last[:, np.newaxis] + offsets, start, end)
        found = self.at(near.ravel()).reshape(near.shape)
        left = _pairwise_left(found, levels[:, np.newaxis], nan_goes_left)
        as_expected = (near <= last[:, np.newaxis]) == (left == at_start[:, np.newaxis])
        keys = [[int(one)] for one in last]
        for level in np.flatnonzero(~as_expected.all(axis=1)).tolist():
            keys[level] = self._all_changes(
                int(last[level]), start, end, float(levels[level]), nan_goes_left=nan_goes_left
            )
        return keys

    def _all_changes(
        self, last: int, start: int, end: int, level: float, *, nan_goes_left: bool
    ) -> list[int]:
        """The changes of the side within a window that is so wide that its outer thirds are calm.

        Raises:
            UnsupportedEstimator: if there is no such window.
        """
        reach = _NEIGHBORS * 4
        while reach <= _MOST_NEIGHBORS:
            keys = np.arange(max(start, last - reach), min(end, last + reach) + 1)
            left = _pairwise_left(self.at(keys), np.full(len(keys), level), nan_goes_left)
            changes = keys[:-1][left[:-1] != left[1:]]
            if changes.size and changes[0] > last - reach // 3 and changes[-1] < last + reach // 3:
                return [int(one) for one in changes]
            reach *= 4
        raise UnsupportedEstimator(
            f"a function of this pipeline neither rises nor falls around its value {level!r}, so "
            "its column cannot be folded into the trees"
        )


def line_of(feature: PreparedColumn, known: dict[tuple[int, ...], Keys] | None = None) -> Line:
    """A feature as a function of a number.

    Args:
        feature: the feature.
        known: the intervals that were found for features of the same source, which share functions
            and edges; more are added.
    """
    known = {} if known is None else known
    done: tuple[int, ...] = ()
    ends = np.array([HIGHEST], np.int64)
    for count, function in enumerate(feature.functions):
        key = (*done, id(function.edges))
        if key not in known:
            before = PreparedColumn(feature.source, feature.functions[:count])
            known[key] = Line(before.as_floats, ends).divided_by(function.edges)
        ends, done = known[key], (*done, id(function))
    return Line(feature.as_floats, Line(feature.as_floats, ends).divided_by(np.empty(0)))


def _last_alike(function: Callable[[Keys], NDArray[np.bool_]], start: int, end: int) -> int:
    """The last key before a function of keys, which differs at the ends, changes."""
    low, high = start, end
    first = bool(function(np.array([low], np.int64))[0])
    while high - low > 1:
        middle = (low + high) // 2
        if bool(function(np.array([middle], np.int64))[0]) == first:
            low = middle
        else:
            high = middle
    return low


def _is_left(
    results: NDArray[np.float64], levels: NDArray[np.float64], nan_goes_left: bool
) -> NDArray[np.bool_]:
    """(n_results, n_levels)."""
    return _pairwise_left(results[:, np.newaxis], levels[np.newaxis], nan_goes_left)


def _pairwise_left(
    results: NDArray[np.float64], levels: NDArray[np.float64], nan_goes_left: bool
) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        found: NDArray[np.bool_] = results <= levels
    return np.where(np.isnan(results), nan_goes_left, found)
