"""The training targets in each leaf: a quantile regression forest (Meinshausen, 2006).

The distribution of a row's target is estimated by the training rows that share its leaves. Each
tree has the same weight, and within a tree each row of the leaf (Meinshausen, "Quantile
Regression Forests", Journal of Machine Learning Research 7). A leaf keeps the targets of all its
training rows, whether the bootstrap drew them or not; if there are many, it keeps evenly spaced
quantiles of them. A target is kept as its position among all targets: that takes four bytes,
rounds nothing, and sorts as the targets do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.kernels.leaf_kernel import find_leaves, pool_quantiles
from mlserver_forest.engine.nodes import NodeFields
from mlserver_forest.engine.threads import share_rows
from mlserver_forest.errors import InvalidArtifact

# The approximate number of values that all trees together keep for a row, and the fewest that a
# leaf keeps.
_POOLED = 1024
_FEWEST = 16
# How many values a small leaf keeps for each of its rows, if rows have weights.
_PER_WEIGHTED_ROW = 4
_TREES_AT_ONCE = 8
_ROWS_PER_THREAD = 128
# How many values are sorted in the time of one walk down a tree (measured).
_VALUES_PER_WALK = 2


@dataclass(frozen=True, eq=False)
class LeafSamples:
    """Some training targets for each leaf of a forest with one output.

    Attributes:
        starts: (n_nodes + 1,) uint32 or uint64, where the codes of each node begin. Only leaves
            have codes.
        codes: uint32 positions in ``targets``, ascending within a leaf.
        targets: (n_targets,) float64, the distinct targets, ascending.
    """

    starts: NDArray[Any]
    codes: NDArray[np.uint32]
    targets: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("starts", "codes", "targets"):
            view = getattr(self, name).view()
            view.flags.writeable = False  # Numba compiles separately for writable arrays.
            object.__setattr__(self, name, view)

    def work(self, forest: Forest) -> int:
        """The work of ``quantiles`` for one row besides the walk, in walks down a tree."""
        counts = np.diff(self.starts).astype(np.float64)
        # The size of the leaf that a row meets: the larger a leaf, the likelier it is met.
        n_values = (counts**2).sum() / counts.sum() * forest.n_trees
        return int(n_values) // _VALUES_PER_WALK

    def quantiles(
        self, forest: Forest, levels: tuple[float, ...], x: NDArray[Any], n_threads: int = 1
    ) -> NDArray[np.float64]:
        """Quantiles of each row's target.

        Args:
            forest: the forest that these leaves belong to.
            levels: ascending, between 0 and 1.
            x: as in ``Forest.sums``.
            n_threads: as in ``Forest.sums``.

        Returns:
            float64 (n_samples, n_levels), each the smallest target up to which the weights add
            up to the level.

        Raises:
            ValueError: as in ``Forest.sums``.
        """
        x = forest.checked(x)
        walk, found = forest.walk_arguments, np.empty((len(x), len(levels)))

        def pool(rows: NDArray[Any], part: NDArray[np.float64]) -> None:
            pool_quantiles(
                rows, walk, self.starts, self.codes, self.targets, np.array(levels), part
            )

        share_rows(pool, x, found, min(n_threads, len(x) // _ROWS_PER_THREAD))
        return found

    def check(self, forest: Forest) -> None:
        """Prove that the kernel stays within these arrays.

        Raises:
            InvalidArtifact: naming the fault.
        """
        starts, codes, targets = self.starts, self.codes, self.targets
        fit = (
            starts.shape == (len(forest.nodes) + 1,)
            and starts.dtype in {np.dtype(np.uint32), np.dtype(np.uint64)}
            and codes.dtype == np.uint32
            and targets.dtype == np.float64
            and codes.ndim == targets.ndim == 1
            and forest.n_outputs == 1
        )
        _require(fit, "shapes do not fit the forest")
        _require(starts[0] == 0 and starts[-1] == codes.size, "they do not cover the leaves")
        _require((starts[:-1] <= starts[1:]).all(), "they are out of order")
        counts = np.diff(starts)
        _require((counts[_leaves(forest)] > 0).all(), "a leaf has none")
        _require(counts.max() <= _POOLED, f"a leaf has more than {_POOLED}")
        _require(codes.size and (codes < targets.size).all(), "a position is out of range")
        _require(
            np.isfinite(targets).all() and (np.diff(targets) > 0).all(),
            "targets that are not ascending",
        )


def learn_leaf_samples(
    forest: Forest,
    x: NDArray[Any],
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    *,
    n_threads: int = 1,
    stops: Callable[[], bool] = lambda: False,
) -> LeafSamples | None:
    """Collect the targets of the training rows in each leaf.

    Args:
        forest: a regression forest with one target that predicts the mean of its trees.
        x: (n_samples, n_features), as in ``Forest.sums``.
        y: (n_samples,) finite targets.
        weight: (n_samples,) weights of the rows, or None; rows of weight 0 are left out.
        n_threads: how many threads find the leaves.
        stops: called after each tree; returns whether to stop.

    Returns:
        The samples, or None if ``stops`` returned true. A leaf that no row reaches keeps the
        smallest target that is not below its own value.
    """
    if weight is not None:
        x, y, weight = x[weight > 0], y[weight > 0], weight[weight > 0]
    order = np.argsort(y, kind="stable")
    targets, positions = np.unique(y[order], return_inverse=True)
    codes = positions.astype(np.uint32)
    weight = None if weight is None else weight[order]
    most = max(_FEWEST, _POOLED // forest.n_trees)
    own = _own_codes(forest, targets)
    bounds = forest.roots.astype(np.int64)
    counts, kept = [], []
    x = forest.checked(x)
    for first in range(0, forest.n_trees, _TREES_AT_ONCE):
        n_trees = min(_TREES_AT_ONCE, forest.n_trees - first)
        nodes = np.empty((len(x), n_trees), np.int64)
        share_rows(partial(_find, forest, first), x, nodes, min(n_threads, len(x)))
        for lane in range(n_trees):
            if stops():
                return None
            tree = slice(bounds[first + lane], bounds[first + lane + 1])
            count, code = _of_tree(nodes[order, lane] - tree.start, codes, weight, own[tree], most)
            counts.append(count)
            kept.append(code)
    starts = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    width = np.uint32 if starts[-1] < 1 << 32 else np.uint64
    return LeafSamples(starts.astype(width), np.concatenate(kept), targets)


def _find(forest: Forest, first: int, x: NDArray[Any], nodes: NDArray[np.int64]) -> None:
    find_leaves(x, forest.walk_arguments, first, nodes)


def _leaves(forest: Forest) -> NDArray[np.bool_]:
    """(n_nodes,) which nodes are leaves."""
    return NodeFields(forest.nodes, forest.n_columns).is_leaf


def _own_codes(forest: Forest, targets: NDArray[np.float64]) -> NDArray[np.int64]:
    """(n_nodes,) the code of a leaf's own value; -1 for other nodes."""
    found = np.full(len(forest.nodes), -1)
    fields = NodeFields(forest.nodes, forest.n_columns)
    leaves = fields.is_leaf
    answers = forest.leaf_values[fields.leaf_rows(leaves), 0]
    found[leaves] = np.minimum(np.searchsorted(targets, answers), len(targets) - 1)
    return found


def _of_tree(
    nodes: NDArray[np.int64],
    codes: NDArray[np.uint32],
    weight: NDArray[np.float64] | None,
    own: NDArray[np.int64],
    most: int,
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """How many codes each node of one tree keeps, (n_nodes,), and the codes.

    Args:
        nodes: (n_samples,) the leaf of each row, in the order of the targets.
        codes: (n_samples,) the codes of the targets, ascending.
        weight: (n_samples,) above 0, or None.
        own: (n_nodes,) see ``_own_codes``.
        most: how many codes a leaf may keep.
    """
    # Sorted by node, then by target.
    keys = np.sort(
        nodes.astype(np.uint64) << np.uint64(32) | np.arange(len(nodes), dtype=np.uint64)
    )
    places = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
    n_rows = np.bincount(nodes, minlength=len(own))
    begins = np.cumsum(n_rows) - n_rows
    kept = np.minimum(n_rows * (1 if weight is None else _PER_WEIGHTED_ROW), most)
    node = np.repeat(np.arange(len(own)), kept)
    rank = np.arange(len(node)) - (np.cumsum(kept) - kept)[node]
    # The middle of each of ``kept`` equal shares.
    if weight is None:
        picks = begins[node] + (2 * rank + 1) * n_rows[node] // (2 * kept[node])
    else:
        total = np.cumsum(weight[places])
        before = np.concatenate([[0.0], total])[begins]
        share = np.concatenate([[0.0], total])[begins + n_rows] - before
        picks = np.searchsorted(total, before[node] + (rank + 0.5) / kept[node] * share[node])
        picks = np.clip(picks, begins[node], begins[node] + n_rows[node] - 1)
    found = codes[places[picks]]
    empty = (n_rows == 0) & (own >= 0)
    found = np.insert(found, (np.cumsum(kept) - kept)[empty], own[empty].astype(np.uint32))
    return np.where(empty, 1, kept), found


def _require(holds: Any, fault: str) -> None:
    if not holds:
        raise InvalidArtifact(
            f"the samples of the forest's leaves are damaged ({fault}); train the model again"
        )
