"""The packed forest: arrays that can lie in a memory-mapped file, and predictions."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.forest.kernel import add_leaf_values

_WORD_FLOAT: Mapping[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(np.uint32): np.dtype(np.float32),
    np.dtype(np.uint64): np.dtype(np.float64),
}


@dataclass(frozen=True, eq=False)
class Forest:
    """An averaging ensemble of trees, packed for the kernel.

    Attributes:
        nodes: (n_nodes, 2) uint32 or uint64, all trees one after the other;
            what the two words hold is told in ``kernel.py``.
        roots: (n_trees + 1,) of the dtype of ``nodes``: where each tree starts,
            and the end of the last.
        leaf_rows: (n_nodes,) uint32, the row of ``leaf_values`` that belongs to
            a leaf (0 for inner nodes).
        leaf_values: (n_leaf_values, n_outputs) float64: class probabilities in
            the order of the classes, or the one value of a regression.
        shift: how many bits of a word hold the child's index.
        n_features: the width of ``X``.
    """

    nodes: NDArray[Any]
    roots: NDArray[Any]
    leaf_rows: NDArray[np.uint32]
    leaf_values: NDArray[np.float64]
    shift: int
    n_features: int
    _arguments: tuple[Any, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check(self)
        for name, array in self.arrays.items():
            object.__setattr__(self, name, _read_only(array))
        thresholds = self.nodes.view(_WORD_FLOAT[self.nodes.dtype])
        shift = self.nodes.dtype.type(self.shift)
        arguments = (thresholds, self.nodes, self.roots, shift)
        object.__setattr__(self, "_arguments", (*arguments, self.leaf_rows, self.leaf_values))

    @property
    def n_trees(self) -> int:
        return self.roots.size - 1

    @property
    def n_outputs(self) -> int:
        return int(self.leaf_values.shape[1])

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for an artifact."""
        names = ("nodes", "roots", "leaf_rows", "leaf_values")
        return {name: getattr(self, name) for name in names}

    def predict_values(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Average the trees' leaf values.

        Args:
            x: float32 (n_samples, n_features); NaN is missing.

        Returns:
            float64 (n_samples, n_outputs), identical to the last bit to
            scikit-learn's ``predict_proba`` (classifier, columns in the order of
            ``classes_``) or ``predict`` (regressor, one column) with
            ``n_jobs=1``. The trees are summed in order and divided once, as
            scikit-learn does it.

        Raises:
            ValueError: if ``x`` is of another dtype or width.
        """
        if x.dtype != np.float32 or x.ndim != 2 or x.shape[1] != self.n_features:
            raise ValueError(f"x must be float32 (n, {self.n_features}), not {x.dtype} {x.shape}")
        x = np.ascontiguousarray(x)
        total = np.zeros((x.shape[0], self.n_outputs))
        add_leaf_values(_read_only(x), *self._arguments, total)
        total /= self.n_trees
        return total

    def warm_up(self) -> None:
        """Have the kernel compiled, or read from Numba's cache, for this forest."""
        with suppress(OSError):
            # Numba 0.68 keeps the compiled kernel before it writes its cache, so
            # a full or read-only disk costs this call and nothing else.
            self.predict_values(np.zeros((1, self.n_features), np.float32))


def forest_from_arrays(arrays: Mapping[str, NDArray[Any]], shift: int, n_features: int) -> Forest:
    """Rebuild a forest from what ``Forest.arrays`` gave.

    Raises:
        InvalidArtifact: if an index could lead the kernel out of its arrays or
            into an endless walk.
    """
    try:
        return Forest(
            nodes=arrays["nodes"],
            roots=arrays["roots"],
            leaf_rows=arrays["leaf_rows"].astype(np.uint32, casting="no", copy=False),
            leaf_values=arrays["leaf_values"].astype(np.float64, casting="no", copy=False),
            shift=shift,
            n_features=n_features,
        )
    except (KeyError, TypeError) as error:
        raise InvalidArtifact(f"the forest file lacks what a forest needs: {error}") from error


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A read-only view: Numba compiles once for it and once for writable arrays."""
    view = array.view()
    view.flags.writeable = False
    return view


def _check(forest: Forest) -> None:
    """Refuse whatever the kernel could not walk safely.

    Children lie behind their parent and within their tree, so a walk ends;
    features, leaf rows and tree bounds lie within their arrays.
    """
    nodes, roots = forest.nodes, forest.roots
    shapes_fit = (
        nodes.dtype in _WORD_FLOAT
        and nodes.ndim == 2
        and nodes.shape[1:] == (2,)
        and roots.dtype == nodes.dtype
        and roots.ndim == 1
        and roots.size >= 2
        and forest.leaf_rows.shape == (len(nodes),)
        and forest.leaf_values.ndim == 2
        and forest.leaf_values.size > 0
        and 0 < forest.shift < nodes.dtype.itemsize * 8 - 1
        and forest.n_features > 0
    )
    _require(shapes_fit, "array shapes do not fit together")
    _require(bool((roots <= len(nodes)).all()), "a tree that starts behind the nodes")
    bounds = roots.astype(np.int64)
    _require(bounds[0] == 0 and bounds[-1] == len(nodes), "trees do not cover the nodes")
    sizes = np.diff(bounds)
    _require(bool((sizes > 0).all()), "an empty tree")
    words = nodes[:, 1]
    word = words.dtype.type
    left = (words & ((word(1) << word(forest.shift)) - word(1))).astype(np.int64)
    own = np.arange(len(nodes)) - np.repeat(bounds[:-1], sizes)
    size = np.repeat(sizes, sizes)
    leaf = left == own
    _require(bool((leaf | ((left > own) & (left + 1 < size))).all()), "a child out of its tree")
    feature = words >> word(forest.shift + 1)
    _require(bool((feature < forest.n_features).all()), "a feature out of range")
    missing_right = (words >> word(forest.shift)) & word(1)
    _require(not missing_right[leaf].any(), "a leaf that is no end")
    thresholds = nodes[:, 0].view(_WORD_FLOAT[nodes.dtype])
    _require(bool(np.isposinf(thresholds[leaf]).all()), "a leaf that is no end")
    in_range = bool((forest.leaf_rows < len(forest.leaf_values)).all())
    _require(in_range, "a leaf value out of range")


def _require(holds: bool, fault: str) -> None:
    if not holds:
        raise InvalidArtifact(f"the forest is damaged ({fault}); train or pack the model again")
