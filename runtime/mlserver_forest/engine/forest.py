"""The packed forest: arrays that can lie in a memory-mapped file, and predictions."""

from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.kernels.quick_scorer import count_splits, fill_splits
from mlserver_forest.engine.kernels.sum_kernel import add_leaf_values
from mlserver_forest.engine.nodes import WIDTHS, shift_for
from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.engine.shap.explainer import Explainer
from mlserver_forest.engine.threads import share_rows
from mlserver_forest.engine.validation import check_forest

# Fewer rows than this do not pay for a thread.
_ROWS_PER_THREAD = 512

_MUCH_WORK = 1 << 20

_NO_CUTS = np.empty(0, np.uint32)
_NO_COVERS = np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a forest answers.

    Attributes:
        values: float64 (n_samples, n_columns), the training library's own
            ``predict_proba`` (columns in the order of the classes) for a classifier,
            ``predict`` (a column for each target) for a regressor, and
            ``score_samples`` and ``decision_function`` for an isolation forest.
        positions: (n_samples,) each row's class, as its position among the classes;
            without meaning for a regressor.
    """

    values: NDArray[np.float64]
    positions: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Forest:
    """An ensemble of trees, packed for the kernel.

    Attributes:
        nodes: (n_nodes, 2) uint32 or uint64, all trees one after the other;
            what the two words hold is told in ``nodes.py``.
        roots: (n_trees + 1,) of the dtype of ``nodes``: where each tree starts,
            and the end of the last.
        outputs: (n_trees,) uint32, the first column of the sums that a tree adds to.
        leaf_values: (n_leaf_values, width) float32 or float64: what leaves add.
        initial: (n_outputs,) what the sums start at, in the same dtype.
        n_features: the width of ``X``.
        feature_dtype: float32 or float64: the dtype of ``X``, in which the training
            library compares.
        divisor: by which the sums are divided in the end.
        postprocessor: what makes predictions of the sums.
        cuts: of the features that are split by category, in the dtype of the
            thresholds; see ``blocks.py``.
        cut_starts: (n_features + 1,) uint32, where each feature's cuts begin; empty if
            no feature has any.
        category_bits: uint32, for each set of categories which codes go right.
        covers: (n_nodes,) float32 or float64, the weight of the training rows that came
            through each node, for contributions; empty if it is not known.
    """

    nodes: NDArray[Any]
    roots: NDArray[Any]
    outputs: NDArray[np.uint32]
    leaf_values: NDArray[Any]
    initial: NDArray[Any]
    n_features: int
    feature_dtype: np.dtype[Any]
    divisor: float
    postprocessor: Postprocessor
    cuts: NDArray[Any]
    cut_starts: NDArray[np.uint32] = field(default_factory=_NO_CUTS.copy)
    category_bits: NDArray[np.uint32] = field(default_factory=_NO_CUTS.copy)
    covers: NDArray[Any] = field(default_factory=_NO_COVERS.copy)
    _arguments: tuple[Any, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_forest(self)
        for name, array in self.arrays.items():
            object.__setattr__(self, name, _read_only(array))
        object.__setattr__(self, "_arguments", self._kernel_arguments())

    @property
    def n_trees(self) -> int:
        return self.roots.size - 1

    @property
    def n_outputs(self) -> int:
        """The columns of the sums."""
        return self.initial.size

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for an artifact."""
        return {name: getattr(self, name) for name in ARRAYS}

    def sums(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[Any]:
        """Add up the trees' leaf values: the training library's raw scores.

        Args:
            x: (n_samples, n_features) of ``feature_dtype``; NaN is missing.
            n_threads: how many threads may share the rows.

        Returns:
            (n_samples, n_outputs) in the dtype of ``leaf_values``. The trees are
            summed in their order, as the training library does it.

        Raises:
            ValueError: if ``x`` is of another dtype or width.
        """
        x = self.checked(x)
        total = self.initial.reshape(1, -1).repeat(len(x), axis=0)
        share_rows(self._add, x, total, min(n_threads, len(x) // _ROWS_PER_THREAD))
        if self.divisor != 1:
            total /= self.divisor
        return total

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """Answer as the training library does; arguments and errors as in ``sums``."""
        sums = self.sums(x, n_threads)
        values = self.postprocessor.values(sums)
        positions = self.postprocessor.positions(sums, values)
        return Prediction(values.astype(np.float64, copy=False), positions)

    def contributions(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """How much each feature adds to the sums: exact path-dependent TreeSHAP.

        A row's contributions and ``expected_value`` add up to what ``sums`` gives, or for an
        isolation forest to the mean length of its paths, as those of ``shap.TreeExplainer``
        (feature_perturbation="tree_path_dependent") and of XGBoost's and LightGBM's
        ``pred_contribs`` do, which they equal.

        Returns:
            (n_samples, n_features, n_outputs); arguments and errors as in ``sums``, and
            ValueError if ``covers`` are not known.
        """
        x = self.checked(x)
        total = np.zeros((len(x), self.n_features, self.n_outputs))
        share_rows(self._explainer.add, x, total, min(n_threads, len(x)))
        total /= self._mean_of
        return total

    @cached_property
    def expected_value(self) -> NDArray[np.float64]:
        """(n_outputs,) the mean of the sums over the training rows, as ``covers`` count them."""
        return self.initial + self._explainer.expected / self._mean_of

    @property
    def contribution_work(self) -> int:
        """What ``contributions`` takes for a row, in walks of a row down a tree.

        The first time it takes long, for much is made, or even compiled, that later is there.
        """
        if "_explainer" not in self.__dict__:
            return _MUCH_WORK
        return 1 + len(self.nodes) * (1 + self.leaf_values.shape[1]) // 8

    @property
    def walk_arguments(self) -> tuple[Any, ...]:
        """What kernels need to walk down the trees: ``cuts`` to ``category_bits``."""
        return self._arguments[:8]

    def checked(self, x: NDArray[Any]) -> NDArray[Any]:
        """Rows as the kernels take them.

        Raises:
            ValueError: if they are of another dtype or width.
        """
        if x.dtype != self.feature_dtype or x.ndim != 2 or x.shape[1] != self.n_features:
            raise ValueError(
                f"x must be {self.feature_dtype} (n, {self.n_features}), not {x.dtype} {x.shape}"
            )
        return _read_only(np.ascontiguousarray(x))

    def warm_up(self) -> None:
        """Have the kernel compiled, or read from Numba's cache, for this forest."""
        with suppress(OSError):
            # Numba 0.68 keeps the compiled kernel before it writes its cache, so
            # a full or read-only disk costs this call and nothing else.
            self.predict(np.zeros((1, self.n_features), self.feature_dtype))

    @property
    def _mean_of(self) -> float:
        """By what contributions are divided: those of an isolation forest by its trees."""
        return self.n_trees if self.postprocessor.name == "isolation" else self.divisor

    @cached_property
    def _explainer(self) -> Explainer:
        if not self.covers.size:
            raise ValueError("contributions need covers, which this forest has not")
        outputs, leaf_values = self._arguments[8:10]
        sizes = self.n_features, self.n_outputs
        return Explainer(self.walk_arguments, outputs, leaf_values, self.covers, *sizes)

    def _add(self, x: NDArray[Any], total: NDArray[Any]) -> None:
        add_leaf_values(x, *self._arguments, total)

    def _kernel_arguments(self) -> tuple[Any, ...]:
        width = WIDTHS[self.nodes.dtype]
        words = self.nodes.reshape(-1)
        shift = width.word(shift_for(self.n_features))
        payload = width.word(width.payload)
        starts = np.zeros(self.n_trees + 1, np.int64)
        np.cumsum(count_splits(words, self.roots), out=starts[1:])
        splits = np.empty(starts[-1], np.int64)
        masks = np.empty(starts[-1], width.word)
        leaf_rows = np.empty(starts[-1] + self.n_trees, np.uint32)
        fill_splits(words, self.roots, shift, payload, starts, splits, masks, leaf_rows)
        return (
            self.cuts,
            self.cut_starts.astype(np.int64),
            words.view(width.floats),
            words,
            self.roots,
            shift,
            payload,
            self.category_bits if self.category_bits.size else None,
            self.outputs.astype(np.int64),
            self.leaf_values,
            *(starts, splits, masks, leaf_rows),
        )


ARRAYS = (
    "nodes",
    "roots",
    "outputs",
    "leaf_values",
    "initial",
    "cuts",
    "cut_starts",
    "category_bits",
    "covers",
)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A read-only view: Numba compiles once for it and once for writable arrays."""
    view = array.view()
    view.flags.writeable = False
    return view
