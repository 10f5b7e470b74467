"""Trees on prepared features -> trees on raw columns, whose tests say the same.

A test "the feature is at most t" divides the values of the raw column into those that go left and
those that go right. If they lie on two sides of a number, it becomes a test with another threshold;
if not, a set of intervals or categories (``engine/kernels/blocks.py``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.tree_packing import Tree
from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers.scikit_learn.pipelines.derived_features import DerivedFeatures
from mlserver_forest.importers.scikit_learn.pipelines.number_line import (
    Keys,
    Side,
    line_of,
    numbers_of,
)
from mlserver_forest.importers.scikit_learn.pipelines.prepared import MixedColumn, PreparedColumn
from mlserver_forest.importers.scikit_learn.pipelines.raw_columns import RawColumn
from mlserver_forest.importers.tree_ensemble import TreeEnsemble

# Of all sets of a column: 256 MB.
_MOST_BITS = 1 << 31


def fold(
    ensemble: TreeEnsemble, features: Sequence[PreparedColumn], columns: Sequence[RawColumn]
) -> TreeEnsemble:
    """Fold what stands before an ensemble into its trees.

    Args:
        ensemble: trees on features.
        features: for each column of the ensemble, what it is made of.
        columns: the raw columns that the model has, which all features are made of.

    Returns:
        The same trees on the raw columns, and on derived columns for mixtures, in float64.

    Raises:
        UnsupportedEstimator: if a feature cannot be folded.
    """
    asked = [_FeatureTests(ensemble.cuts.get(number)) for number in range(len(features))]
    for tree in ensemble.trees:
        _collect(tree, asked)
    tested = [number for number, tests in enumerate(asked) if tests.has_any]
    derived = DerivedFeatures(columns, [features[number].source for number in tested])
    read = derived.columns
    places = np.full(len(features), -1)
    by_place: dict[int, list[_FeatureTests]] = {}
    for number in tested:
        place = places[number] = derived.place_of(features[number].source)
        asked[number].find(features[number], read[place])
        _require_signal(features[number], asked[number])
        by_place.setdefault(int(place), []).append(asked[number])
    cuts: dict[int, Keys] = {}
    for place, tests_of_place in by_place.items():
        sides = [test.side for tests in tests_of_place for test in tests.all()]
        if any(len(side.flips) > 1 for side in sides):
            cuts[place] = np.unique(np.concatenate([side.flips for side in sides]))
            _require_small(read[place], len(sides), len(cuts[place]))
        for tests in tests_of_place:
            tests.place(read[place], cuts.get(place))
    return replace(
        ensemble,
        trees=[_folded(tree, asked, places) for tree in ensemble.trees],
        n_features=len(columns),
        feature_dtype=np.dtype(np.float64),
        cuts={place: read[place].numbers_of(keys + 1) for place, keys in cuts.items()},
        categories={},
        derived=derived.derived_columns,
    )


def _require_signal(feature: PreparedColumn, tests: "_FeatureTests") -> None:
    """Refuse tests of a principal component that holds nothing but rounding errors."""
    source = feature.source
    if not isinstance(source, MixedColumn) or source.mixture.rounding is None:
        return
    flips = [np.abs(numbers_of(test.side.flips)).max(initial=0) for test in tests.all()]
    if 0 < max(flips, default=0) <= source.mixture.rounding[source.place]:
        raise UnsupportedEstimator(
            f"the trees behind the {source.mixture.name} of this pipeline split its component "
            f"{source.place}, which has no variance, by rounding errors, so that their answers are "
            "random; fit it with fewer components (n_components)"
        )


def _require_small(column: RawColumn, n_tests: int, n_cuts: int) -> None:
    if n_tests * n_cuts > _MOST_BITS:
        raise UnsupportedEstimator(
            f"the column {format_value(column.name)} is compared with {n_cuts:,} numbers both in "
            "intervals and by size, which takes too much memory; drop one of the two from the "
            "pipeline, or fit fewer or smaller trees"
        )


@dataclass(frozen=True, eq=False)
class _Test:
    """A test of a raw column.

    Attributes:
        side: which values go left; the key of a category is its code.
        missing_left: whether a missing value goes left.
    """

    side: Side
    missing_left: bool


@dataclass(frozen=True, eq=False)
class _Split:
    """A test as a node has it.

    Attributes:
        threshold: for a split by threshold.
        is_swapped: whether the children change places.
        missing_right: where a missing value goes after that.
        goes_right: (n_codes,) for a split by categories, else None.
    """

    threshold: float
    is_swapped: bool
    missing_right: bool
    goes_right: NDArray[np.bool_] | None = None


@dataclass(eq=False)
class _FeatureTests:
    """All tests of one feature.

    Attributes:
        cuts: of the codes of a feature that trees split by categories.
        thresholds: ascending, of the splits by threshold.
        sets: the codes that go right, of the splits by categories, by their bytes.
    """

    cuts: NDArray[np.float64] | None
    thresholds: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    sets: dict[bytes, NDArray[np.bool_]] = field(default_factory=dict)
    _added: list[NDArray[np.float64]] = field(default_factory=list)
    # For a missing feature that goes right, and for one that goes left: a test per threshold.
    _by_threshold: tuple[list[_Test], list[_Test]] = ((), ())  # type: ignore[assignment]
    _by_set: dict[bytes, _Test] = field(default_factory=dict)
    _splits: list[list[_Split]] = field(default_factory=list)
    _set_splits: dict[bytes, _Split] = field(default_factory=dict)

    def add(self, thresholds: NDArray[np.float64]) -> None:
        """Add splits by threshold."""
        self._added.append(thresholds)

    @property
    def has_any(self) -> bool:
        """Whether a tree tests the feature."""
        return bool(self._added or self.sets)

    def all(self) -> Iterator[_Test]:
        """All tests, once ``find`` has found them."""
        yield from self._by_threshold[0]
        yield from self._by_threshold[1]
        yield from self._by_set.values()

    def find(self, feature: PreparedColumn, column: RawColumn) -> None:
        """Find out which raw values go left."""
        self.thresholds = np.unique(np.concatenate([np.empty(0), *self._added]))
        missing = feature.as_floats(column.missing_value)
        cuts = np.empty(0) if self.cuts is None else np.asarray(self.cuts, np.float64)
        if column.values is None:
            line = line_of(feature, column.intervals)
            at_right, at_left = (
                line.sides(self.thresholds, nan_goes_left=goes_left) for goes_left in (False, True)
            )
            ends = line.divided_by(np.nextafter(cuts, -np.inf))
            codes, keys = _code(line.at(ends), cuts), ends[:-1]
        else:
            results = column.all_asked.of(feature)[0].astype(np.float64)
            keys = np.arange(len(results) - 1)
            at_right, at_left = (
                [_side(_left(results, threshold, goes_left), keys) for threshold in self.thresholds]
                for goes_left in (False, True)
            )
            codes = _code(results, cuts)
        self._by_threshold = tuple(  # type: ignore[assignment]
            [
                _Test(side, bool(_left(missing, threshold, goes_left)[0]))
                for side, threshold in zip(sides, self.thresholds, strict=True)
            ]
            for sides, goes_left in ((at_right, False), (at_left, True))
        )
        at_missing = _code(missing, cuts)[0]
        self._by_set = {
            key: _Test(_side(~goes_right[codes], keys), not goes_right[at_missing])
            for key, goes_right in self.sets.items()
        }

    def place(self, column: RawColumn, cuts: Keys | None) -> None:
        """Say how nodes have the tests, whose column is cut after these keys, or is not cut."""
        self._splits = [
            [_split(test, column, cuts) for test in tests] for tests in self._by_threshold
        ]
        self._set_splits = {key: _split(test, column, cuts) for key, test in self._by_set.items()}

    def splits(self, tree: Tree, nodes: NDArray[np.intp]) -> list[_Split]:
        """The splits of a tree's nodes that test this feature."""
        found = np.searchsorted(self.thresholds, tree.threshold[nodes])
        goes_left = ~np.asarray(tree.missing_right, bool)[nodes]
        return [
            self._set_splits[tree.categorical[node].tobytes()]
            if node in tree.categorical
            else self._splits[flag][place]
            for node, flag, place in zip(
                nodes.tolist(), goes_left.astype(int).tolist(), found.tolist(), strict=True
            )
        ]


def _collect(tree: Tree, asked: Sequence[_FeatureTests]) -> None:
    """Add the tests of a tree to those of its features."""
    for feature, nodes in _nodes_by_feature(tree):
        tests = asked[feature]
        is_set = np.isin(nodes, list(tree.categorical))
        tests.add(np.asarray(tree.threshold, np.float64)[nodes[~is_set]])
        for node in nodes[is_set].tolist():
            tests.sets[tree.categorical[node].tobytes()] = tree.categorical[node]


def _folded(tree: Tree, asked: Sequence[_FeatureTests], places: NDArray[np.intp]) -> Tree:
    """A tree on the raw columns."""
    left, right = np.array(tree.left), np.array(tree.right)
    feature = np.zeros(len(left), np.intp)
    threshold = np.zeros(len(left))
    missing_right = np.zeros(len(left), bool)
    categorical: dict[int, NDArray[np.bool_]] = {}
    for number, nodes in _nodes_by_feature(tree):
        splits = asked[number].splits(tree, nodes)
        feature[nodes] = places[number]
        threshold[nodes] = [split.threshold for split in splits]
        missing_right[nodes] = [split.missing_right for split in splits]
        swapped = nodes[[split.is_swapped for split in splits]]
        left[swapped], right[swapped] = right[swapped], left[swapped]
        for node, split in zip(nodes.tolist(), splits, strict=True):
            if split.goes_right is not None:
                categorical[node] = split.goes_right
    return replace(
        tree,
        left=left,
        right=right,
        feature=feature,
        threshold=threshold,
        missing_right=missing_right,
        categorical=categorical,
    )


def _nodes_by_feature(tree: Tree) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Each feature that a tree tests, and the nodes that test it."""
    inner = np.flatnonzero(np.asarray(tree.left) != -1)
    features = np.asarray(tree.feature)[inner]
    order = np.argsort(features, kind="stable")
    found, starts = np.unique(features[order], return_index=True)
    groups = np.split(inner[order], starts[1:])
    yield from zip(found.tolist(), groups, strict=False)


def _left(results: NDArray[np.float64], threshold: float, nan_goes_left: bool) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.where(np.isnan(results), nan_goes_left, results <= threshold)


def _code(results: NDArray[np.float64], cuts: NDArray[np.float64]) -> NDArray[np.intp]:
    """The codes of features; see ``kernels/blocks.py``."""
    codes = np.searchsorted(cuts, results, side="right")
    return np.where(np.isnan(results), len(cuts) + 1, codes)


def _side(goes_left: NDArray[np.bool_], keys: NDArray[Any]) -> Side:
    """Which values go left, of values in their order with a key between each two of them."""
    changes = goes_left[:-1] != goes_left[1:]
    return Side(bool(goes_left[0]), np.asarray(keys, np.int64)[changes])


def _split(test: _Test, column: RawColumn, cuts: Keys | None) -> _Split:
    """A test as a node has it.

    Args:
        test: the test.
        column: its column.
        cuts: ascending keys after which the codes of the column change; None if it has none.
    """
    side = test.side
    is_swapped = not side.first
    missing_right = test.missing_left == is_swapped
    if cuts is None:
        numbers = column.numbers_of(side.flips)
        threshold = float(numbers[0]) if len(numbers) else np.inf
        return _Split(threshold, is_swapped, missing_right)
    n_flips = np.searchsorted(side.flips, cuts, side="right")
    goes_left = np.append(side.first, side.first ^ (n_flips % 2 == 1))
    goes_right = np.append(~goes_left, not test.missing_left)
    return _Split(0.0, is_swapped=False, missing_right=not test.missing_left, goes_right=goes_right)
