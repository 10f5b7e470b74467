"""What training rows came to each leaf: a quantile regression forest (Meinshausen, 2006).

The distribution of a row's target is that of the training rows that share its leaves, where
each tree has the same weight, and within a tree each row of the leaf (Meinshausen, "Quantile
Regression Forests", Journal of Machine Learning Research 7). A leaf keeps the targets of all
its training rows, drawn by the bootstrap or not, or of many rows evenly spaced quantiles. A
target is kept as its position among all of them: four bytes, nothing is rounded, and positions
sort as their targets do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.kernels.leaf_kernel import find_leaves, pool_quantiles
from mlserver_forest.engine.nodes import WIDTHS
from mlserver_forest.engine.threads import share_rows
from mlserver_forest.errors import InvalidArtifact

# All trees together keep about as many values for a row, and a leaf as many at least.
_POOLED = 1024
_FEWEST = 16
# Values that are kept for each row of a small leaf, where rows have weights.
_PER_WEIGHTED_ROW = 4
_TREES_AT_ONCE = 8
_ROWS_PER_THREAD = 128
# Values that are sorted in the time of a walk down a tree (measured).
_VALUES_PER_WALK = 2


@dataclass(frozen=True, eq=False)
class LeafSamples:
    """Of each leaf of a forest with one output, some training targets.

    Attributes:
        starts: (n_nodes + 1,) uint32 or uint64, where the codes of each node begin; those of a
            node that is no leaf are none.
        codes: uint32 positions in ``targets``, ascending within a leaf.
        targets: (n_targets,) float64, the different targets, ascending.
    """

    starts: NDArray[Any]
    codes: NDArray[np.uint32]
    targets: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("starts", "codes", "targets"):
            view = getattr(self, name).view()
            view.flags.writeable = False  # As for ``Forest``: Numba compiles once.
            object.__setattr__(self, name, view)

    def work(self, forest: Forest) -> int:
        """What ``quantiles`` takes for a row beside the walk, in walks down a tree."""
        counts = np.diff(self.starts).astype(np.float64)
        # Of a leaf that a row meets: the more rows it has, the likelier it is.
        n_values = (counts**2).sum() / counts.sum() * forest.n_trees
        return int(n_values) // _VALUES_PER_WALK

    def quantiles(
        self, forest: Forest, levels: tuple[float, ...], x: NDArray[Any], n_threads: int = 1
    ) -> NDArray[np.float64]:
        """Quantiles of each row's target.

        Args:
            forest: whose leaves these are.
            levels: ascending, between 0 and 1.
            x: as in ``Forest.sums``.
            n_threads: as there.

        Returns:
            (n_samples, n_levels); each the least target up to which the weights add up to
            the level.

        Raises:
            ValueError: as there.
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
        """See that the kernel stays within these arrays.

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
        _require(np.isfinite(targets).all() and (np.diff(targets) > 0).all(), "no ascending order")


def learn_leaf_samples(
    forest: Forest,
    x: NDArray[Any],
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    *,
    n_threads: int = 1,
    stops: Callable[[], bool] = lambda: False,
) -> LeafSamples | None:
    """Let the training rows fall down the trees.

    Args:
        forest: a regression forest with one target, whose answer is the mean of its trees'.
        x: (n_samples, n_features), as in ``Forest.sums``.
        y: (n_samples,) finite targets.
        weight: (n_samples,) of the rows; those of weight 0 are left out.
        n_threads: that find the leaves.
        stops: asked now and then whether to give up.

    Returns:
        None where that was given up. A leaf to which no row comes keeps its own answer, as the
        target next above it.
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
    """(n_nodes,) of which a leaf's threshold is a NaN."""
    thresholds: NDArray[Any] = forest.nodes[:, 0].view(WIDTHS[forest.nodes.dtype].floats)
    return np.isnan(thresholds)


def _own_codes(forest: Forest, targets: NDArray[np.float64]) -> NDArray[np.int64]:
    """(n_nodes,) of each leaf the target next to its own answer; -1 for other nodes."""
    found = np.full(len(forest.nodes), -1)
    leaves = _leaves(forest)
    width = WIDTHS[forest.nodes.dtype]
    answers = forest.leaf_values[forest.nodes[leaves, 0] & width.word(width.payload), 0]
    found[leaves] = np.minimum(np.searchsorted(targets, answers), len(targets) - 1)
    return found


def _of_tree(
    nodes: NDArray[np.int64],
    codes: NDArray[np.uint32],
    weight: NDArray[np.float64] | None,
    own: NDArray[np.int64],
    most: int,
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """How many codes each node of a tree keeps, and those.

    Args:
        nodes: (n,) where the rows end, in the order of their targets.
        codes: (n,) of their targets, ascending.
        weight: (n,) above 0, or None.
        own: (n_nodes,) see ``_own_codes``.
        most: codes of a leaf.
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
    # The middles of as many equal shares.
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
