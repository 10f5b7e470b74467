"""A packed forest: arrays that processes may share, and what it predicts."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.byte_codes import read_byte_codes
from mlserver_forest.engine.category_splits import read_category_splits
from mlserver_forest.engine.derived.derived_columns import DerivedColumns
from mlserver_forest.engine.kernels.sum_kernel import FEW_ROWS, add_blocks
from mlserver_forest.engine.nodes import WIDTHS, shift_for
from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.engine.predictor import Prediction, Predictor
from mlserver_forest.engine.row_ranks import AddRows, add_few_rows
from mlserver_forest.engine.shap.explainer import Explainer
from mlserver_forest.engine.threads import share_rows
from mlserver_forest.engine.validation import check_forest
from mlserver_forest.errors import InvalidArtifact, format_error

# Starting a thread does not pay off for fewer rows than this.
_ROWS_PER_THREAD = 512
# Rows with their derived columns: 128 MB in float64. Fewer rows at once are slower to walk.
_MOST_NUMBERS = 1 << 24
# In walks down a tree: more than any request may do on an event loop.
_MUCH_WORK = 1 << 20

# The sums and what turns them into predictions, and one try that compiles nothing.
_KERNELS_OF_PREDICT = 3

_NO_CUTS = np.empty(0, np.uint32)
_NO_COVERS = np.empty(0, np.float32)
# Not np.dtype(text), which would parse whatever an artifact says.
_FEATURE_DTYPES: Mapping[str, np.dtype[Any]] = {
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}


@dataclass(frozen=True, eq=False)
class Forest:
    """An ensemble of trees, packed for the kernel. Immutable.

    Attributes:
        nodes: (n_nodes, 2) uint32 or uint64, all trees one after the other; ``nodes.py``
            describes the two words.
        roots: (n_trees + 1,) in the dtype of ``nodes``: where each tree starts, and the end of
            the last one.
        outputs: (n_trees,) uint32, the first column of the sums that a tree adds to.
        leaf_values: (n_leaf_values, width) float32 or float64, what leaves add to the sums.
        initial: (n_outputs,) what the sums start from, in the same dtype.
        n_features: the number of columns of ``X``.
        feature_dtype: float32 or float64, the dtype of ``X``, in which the training library
            compares.
        divisor: what the sums are divided by at the end.
        postprocessor: turns the sums into predictions.
        cuts: where the values of categorical features are cut into intervals, in the dtype of
            the thresholds; see ``kernels/blocks.py``.
        cut_starts: (n_features + 1,) uint32, where each feature's cuts begin; empty if no
            feature is categorical.
        category_bits: uint32, the codes that go right, for each distinct set of categories.
        covers: (n_nodes,) float32 or float64, the weight of the training rows that passed
            through each node, which contributions need; empty if it is not known.
        derived: columns that are computed from those of ``X`` and come after them; None if the
            trees read ``X`` alone.

    Raises:
        InvalidArtifact: if the kernel could not walk these arrays safely.
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
    derived: DerivedColumns | None = None
    _arguments: tuple[Any, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_forest(self)
        for name in ARRAYS:
            object.__setattr__(self, name, _read_only(getattr(self, name)))
        object.__setattr__(self, "_arguments", self._kernel_arguments())

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, NDArray[Any]],
        *,
        n_features: int,
        feature_dtype: str,
        divisor: float,
        postprocessor: Postprocessor,
    ) -> "Forest":
        """Rebuild a forest from its ``arrays``.

        Args:
            arrays: by name, with the shapes and dtypes of the attributes; arrays that were empty
                may be missing.
            n_features: see the attribute.
            feature_dtype: "float32" or "float64".
            divisor: see the attribute.
            postprocessor: see the attribute.

        Raises:
            InvalidArtifact: if an array is missing, has another dtype, or holds an index that
                could lead the kernel out of its arrays or into an endless walk.
        """
        try:
            return cls(
                nodes=arrays["nodes"],
                roots=arrays["roots"],
                outputs=_exactly(arrays["outputs"], np.uint32),
                leaf_values=arrays["leaf_values"],
                initial=arrays["initial"],
                cuts=arrays.get("cuts", np.empty(0, f"f{arrays['nodes'].itemsize}")),
                cut_starts=_exactly(arrays.get("cut_starts", _NO_CUTS), np.uint32),
                category_bits=_exactly(arrays.get("category_bits", _NO_CUTS), np.uint32),
                covers=arrays.get("covers", _NO_COVERS),
                derived=DerivedColumns.from_arrays(arrays),
                n_features=n_features,
                feature_dtype=_FEATURE_DTYPES[feature_dtype],
                divisor=divisor,
                postprocessor=postprocessor,
            )
        except (KeyError, TypeError) as error:
            raise InvalidArtifact(
                f"the forest file lacks what a forest needs: {format_error(error)}"
            ) from error

    @property
    def n_trees(self) -> int:
        return self.roots.size - 1

    @property
    def n_columns(self) -> int:
        """The number of columns that the trees read: those of ``X`` and the derived ones."""
        return self.n_features + (self.derived.n_columns if self.derived else 0)

    @property
    def n_outputs(self) -> int:
        """The number of columns of the sums."""
        return self.initial.size

    @property
    def n_nodes(self) -> int:
        return len(self.nodes)

    @cached_property
    def n_value_columns(self) -> int:
        """The number of columns of ``Prediction.values``."""
        # A copy, because kernels are compiled once more for an array that is read-only.
        return self.postprocessor.values(self.initial.reshape(1, -1).copy()).shape[1]

    @property
    def is_sum(self) -> bool:
        """Whether values are ``sums``, not a function of them."""
        return self.postprocessor.name == "identity"

    @cached_property
    def decision_width(self) -> int:
        """The number of columns of ``decision``."""
        return self.postprocessor.decision(self.initial.reshape(1, -1)).shape[1]

    @property
    def unexplained(self) -> str:
        """Why ``contributions`` cannot be given; empty if they can."""
        if not self.covers.size:
            return "its forest has no covers"
        return self.derived.unexplained(self.n_features) if self.derived else ""

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for an artifact; ``from_arrays`` reads them back."""
        own = {name: getattr(self, name) for name in ARRAYS}
        return {**own, **self.derived.arrays} if self.derived else own

    def sums(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[Any]:
        """Add up the trees' leaf values, which gives the training library's raw scores.

        Args:
            x: (n_samples, n_features) of ``feature_dtype``; NaN means missing.
            n_threads: how many threads may share the rows.

        Returns:
            (n_samples, n_outputs) in the dtype of ``leaf_values``. Trees are added in order,
            as in the training library.

        Raises:
            ValueError: if ``x`` has another dtype or width.
        """
        x = self._checked(x)
        total = self.initial.reshape(1, -1).repeat(len(x), axis=0)
        share_rows(self._add, x, total, min(n_threads, len(x) // _ROWS_PER_THREAD))
        if self.divisor != 1:
            total /= self.divisor
        return total

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """Predict as the training library does.

        Args:
            x: as in ``sums``.
            n_threads: as in ``sums``.

        Raises:
            ValueError: as in ``sums``.
        """
        sums = self.sums(x, n_threads)
        values = self.postprocessor.values(sums)
        positions = self.postprocessor.positions(sums, values)
        return Prediction(values.astype(np.float64, copy=False), positions)

    def decision(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """(n_samples, k): ``decision_function`` of a classifier; see ``Predictor``."""
        return self.postprocessor.decision(self.sums(x, n_threads)).astype(np.float64, copy=False)

    def contributions(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """How much each feature adds to the sums: exact path-dependent TreeSHAP.

        A row's contributions and ``expected_value`` add up to ``sums``, or for an isolation
        forest to the mean length of the row's paths. They equal those of
        ``shap.TreeExplainer`` (feature_perturbation="tree_path_dependent") and of
        ``pred_contribs`` of XGBoost and LightGBM.

        Args:
            x: as in ``sums``.
            n_threads: as in ``sums``.

        Returns:
            float64 (n_samples, n_features, n_outputs), in the units of ``sums``; several
            outputs are in the order of the classes or targets.

        Raises:
            ValueError: as in ``sums``, and if they are ``unexplained``.
        """
        x = self.checked(x)
        total = np.zeros((len(x), self.n_columns, self.n_outputs))
        share_rows(self._explainer.add, x, total, min(n_threads, len(x)))
        total /= self._mean_of
        return self.derived.fold(total, self.n_features) if self.derived else total

    @cached_property
    def expected_value(self) -> NDArray[np.float64]:
        """float64 (n_outputs,) the mean of the sums over the training rows.

        Raises:
            ValueError: if contributions are ``unexplained``.
        """
        return self.initial + self._explainer.expected / self._mean_of

    @property
    def contribution_work(self) -> int:
        """The work of ``contributions`` for one row, in walks of a row down a tree.

        The first call takes long, because it builds tables and may have to compile.
        """
        if "_explainer" not in self.__dict__:
            return _MUCH_WORK
        return 1 + len(self.nodes) * (1 + self.leaf_values.shape[1]) // 8

    @property
    def walk_arguments(self) -> tuple[Any, ...]:
        """The arguments that every kernel needs to walk down the trees."""
        return self._arguments[:7]

    def checked(self, x: NDArray[Any]) -> NDArray[Any]:
        """``x`` as the kernels take it, C-contiguous and read-only, with the derived columns.

        Raises:
            ValueError: if it has another dtype or width.
        """
        return self._wide(self._checked(x))

    def warm_up(self) -> None:
        """Compile the kernels for this forest, or read them from Numba's cache."""
        for n_rows in (1, FEW_ROWS):
            x = np.zeros((n_rows, self.n_features), self.feature_dtype)
            for _ in range(_KERNELS_OF_PREDICT):
                # Numba 0.68 keeps a compiled kernel before it writes its cache, so with a full or
                # read-only disk each try fails at the next kernel.
                with suppress(OSError):
                    self.predict(x)
                    break

    @property
    def _mean_of(self) -> float:
        """The divisor of contributions; for an isolation forest, the number of trees."""
        return self.n_trees if self.postprocessor.name == "isolation" else self.divisor

    @cached_property
    def _explainer(self) -> Explainer:
        if self.unexplained:
            raise ValueError(f"there are no contributions: {self.unexplained}")
        outputs, leaf_values = self._arguments[7:9]
        players = np.arange(self.n_columns)
        if self.derived:
            players[self.n_features :] = self.derived.players(self.n_features)
        tables = outputs, leaf_values, self.covers, players
        return Explainer(self.walk_arguments, *tables, self.n_outputs)

    def _checked(self, x: NDArray[Any]) -> NDArray[Any]:
        if x.dtype != self.feature_dtype or x.ndim != 2 or x.shape[1] != self.n_features:
            raise ValueError(
                f"x must be {self.feature_dtype} (n, {self.n_features}), not {x.dtype} {x.shape}"
            )
        return _read_only(np.ascontiguousarray(x))

    def _wide(self, x: NDArray[Any]) -> NDArray[Any]:
        return _read_only(self.derived.append(x)) if self.derived else x

    def _add(self, x: NDArray[Any], total: NDArray[Any]) -> None:
        if self.derived is None:
            self._add_wide(x, total)
            return
        n_rows = max(1, _MOST_NUMBERS // self.n_columns)
        for start in range(0, len(x), n_rows):
            rows = slice(start, start + n_rows)
            self._add_wide(self._wide(x[rows]), total[rows])

    def _add_wide(self, x: NDArray[Any], total: NDArray[Any]) -> None:
        n_few, add_few = self._few_rows
        if len(x) <= n_few:
            add_few(x, total)
        else:
            add_blocks(x, *self._arguments, total)

    @cached_property
    def _few_rows(self) -> tuple[int, AddRows]:
        read = read_category_splits(self.nodes, self.cut_starts, self.category_bits, self.n_columns)
        return add_few_rows(read, self.cuts, self.cut_starts, self.n_columns, self._arguments[:9])

    def _kernel_arguments(self) -> tuple[Any, ...]:
        width = WIDTHS[self.nodes.dtype]
        read = read_category_splits(self.nodes, self.cut_starts, self.category_bits, self.n_columns)
        words = _read_only(read.nodes.reshape(-1))
        coded = read_byte_codes(
            read, self.roots, self.leaf_values, self.cuts, self.cut_starts, self.n_columns
        )
        return (
            (self.cuts, self.cut_starts.astype(np.int64), read.patterns),
            words.view(width.floats),
            words,
            self.roots,
            width.word(shift_for(self.n_columns)),
            width.word(width.payload),
            read.sets,
            self.outputs.astype(np.int64),
            self.leaf_values,
            *(coded.starts, coded.splits, coded.leaf_values, coded.book, coded.n_rows),
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


def only_forest(predictor: Predictor) -> Forest:
    """The forest that a predictor is; what needs its leaves cannot take a composition.

    Raises:
        InvalidArtifact: if it is one.
    """
    if not isinstance(predictor, Forest):
        raise InvalidArtifact("the leaves of one forest are needed, but the model has several")
    return predictor


def _exactly(array: NDArray[Any], dtype: type) -> NDArray[Any]:
    return array.astype(dtype, casting="no", copy=False)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A read-only view, because Numba compiles separately for writable arrays."""
    view = array.view()
    view.flags.writeable = False
    return view
