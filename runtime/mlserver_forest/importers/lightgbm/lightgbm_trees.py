"""The text of a LightGBM model -> a forest.

NumericalDecision and CategoricalDecision in LightGBM 4, include/LightGBM/tree.h, define how a
node decides.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.engine.tree_packing import Tree, pack
from mlserver_forest.errors import UnsupportedEstimator

_OBJECTIVES: Mapping[str, str] = {
    "binary": "binary",
    "multiclass": "softmax",
    "multiclassova": "multiclass_ova",
    "cross_entropy": "sigmoid",
    "cross_entropy_lambda": "logarithm_one_plus_exp",
    "regression": "identity",
    "regression_l1": "identity",
    "huber": "identity",
    "fair": "identity",
    "quantile": "identity",
    "mape": "identity",
    "poisson": "exponential",
    "gamma": "exponential",
    "tweedie": "exponential",
    "lambdarank": "identity",
    "rank_xendcg": "identity",
    "custom": "identity",
}
_CLASSIFIERS = frozenset({"binary", "multiclass", "multiclassova"})
# The bits of decision_type, and values of the missing type in it.
_IS_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_NONE, _MISSING_ZERO = 0, 1
# kZeroThreshold: if zero means missing, numbers up to here are zero.
_ZERO = float(np.float32(1e-35))


def forest_of(text: str) -> tuple[Forest, int]:
    """The trees in a model's text, and the number of classes: 0 if it does not classify.

    LightGBM compares and adds up in float64, and so does the forest.

    Raises:
        UnsupportedEstimator: naming what cannot be packed.
    """
    header, *sections = _sections(text)
    objective, _, parameters = header.get("objective", "custom").partition(" ")
    if objective not in _OBJECTIVES:
        raise UnsupportedEstimator(
            f"a LightGBM model with the objective {objective} cannot be packed; "
            f"expected one of {', '.join(_OBJECTIVES)}"
        )
    splits = [_Splits.read(section) for section in sections]
    cuts = _cuts(splits)
    per_iteration = int(header["num_tree_per_iteration"])
    trees = [
        _tree(section, of_tree, index % per_iteration, cuts)
        for index, (section, of_tree) in enumerate(zip(sections, splits, strict=True))
    ]
    forest = pack(
        trees,
        n_features=int(header["max_feature_idx"]) + 1,
        feature_dtype=np.float64,
        initial=np.zeros(per_iteration),
        divisor=len(trees) // per_iteration if "average_output" in header else 1,
        postprocessor=_postprocessor(objective, parameters),
        cuts=cuts,
    )
    return forest, (max(per_iteration, 2) if objective in _CLASSIFIERS else 0)


def _postprocessor(objective: str, parameters: str) -> Postprocessor:
    values = dict(part.partition(":")[::2] for part in parameters.split())
    if "sqrt" in values:
        return Postprocessor("signed_square")
    return Postprocessor(_OBJECTIVES[objective], float(values.get("sigmoid", 1)))


def _sections(text: str) -> Iterator[dict[str, str]]:
    """The header and then the trees, each as ``key=value``."""
    for section in text.partition("\nend of trees")[0].split("\nTree="):
        yield dict(line.partition("=")[::2] for line in section.splitlines())


@dataclass(frozen=True, eq=False)
class _Splits:
    """The splits of a tree: arrays of the shape (n_splits,), and the categories that go left."""

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    decision: NDArray[np.int64]
    categories: Mapping[int, NDArray[np.int64]]

    @classmethod
    def read(cls, section: Mapping[str, str]) -> "_Splits":
        if section.get("is_linear", "0") != "0":
            raise UnsupportedEstimator(
                "a LightGBM model with linear trees cannot be packed; "
                "train it with linear_tree=false"
            )
        decision = _numbers(section, "decision_type", np.int64)
        threshold = _numbers(section, "threshold", np.float64)
        by_category = np.flatnonzero(decision & _IS_CATEGORICAL)
        bounds = _numbers(section, "cat_boundaries", np.int64)
        words = _numbers(section, "cat_threshold", np.uint32)
        categories = {
            int(split): _bits(
                words[bounds[int(threshold[split])] : bounds[int(threshold[split]) + 1]]
            )
            for split in by_category
        }
        return cls(
            _numbers(section, "split_feature", np.int64),
            _beside_zero(threshold),
            decision,
            categories,
        )

    @property
    def missing(self) -> NDArray[np.int64]:
        return (self.decision >> 2) & 3

    @property
    def zero_is_missing(self) -> NDArray[np.bool_]:
        return (self.missing == _MISSING_ZERO) & (self.decision & _IS_CATEGORICAL == 0)

    @cached_property
    def missing_right(self) -> NDArray[np.bool_]:
        """(n_splits,) where missing values go. If training saw none, they are read as zero."""
        numbers = np.where(
            self.missing == _MISSING_NONE, self.threshold < 0, self.decision & _DEFAULT_LEFT == 0
        )
        return numbers | (self.decision & _IS_CATEGORICAL != 0)


def _beside_zero(threshold: NDArray[np.float64]) -> NDArray[np.float64]:
    """LightGBM's predictor reads numbers up to 1e-35 as zero, so all go where zero goes."""
    near = np.abs(threshold) <= _ZERO
    moved = np.where(threshold < 0, np.nextafter(-_ZERO, -1), _ZERO)
    return np.where(near, moved, threshold)


def _numbers(section: Mapping[str, str], key: str, dtype: type) -> NDArray[Any]:
    return np.array(section.get(key, "").split(), dtype)


def _bits(words: NDArray[np.uint32]) -> NDArray[np.int64]:
    bits = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
    return np.flatnonzero(bits)


def _cuts(trees: list[_Splits]) -> dict[int, NDArray[np.float64]]:
    """Edges for categorical features, which are truncated to integers, and zero as missing."""
    edges: dict[int, list[NDArray[np.float64]]] = {}
    for splits in trees:
        for split, categories in splits.categories.items():
            # -0.5 is truncated to 0, too.
            known = edges.setdefault(int(splits.feature[split]), [_array(np.nextafter(-1, 0), 1)])
            positive = categories[categories > 0].astype(np.float64)
            known += [positive, positive + 1]
    coded = {int(f) for splits in trees for f in splits.feature[splits.zero_is_missing]}
    for splits in trees:
        for feature, threshold, decision in zip(
            splits.feature.tolist(), splits.threshold, splits.decision, strict=True
        ):
            if feature in coded and not decision & _IS_CATEGORICAL:
                known = edges.setdefault(feature, [_array(-_ZERO, np.nextafter(_ZERO, 1))])
                known.append(_array(np.nextafter(threshold, np.inf)))
    return {feature: np.unique(np.concatenate(known)) for feature, known in edges.items()}


def _array(*numbers: float) -> NDArray[np.float64]:
    return np.array(numbers, np.float64)


def _tree(
    section: Mapping[str, str],
    splits: _Splits,
    output: int,
    cuts: Mapping[int, NDArray[np.float64]],
) -> Tree:
    """Splits come first, then leaves; LightGBM refers to leaf k as -k - 1."""
    leaf_values = _numbers(section, "leaf_value", np.float64)
    n_splits, n_leaves = len(splits.feature), len(leaf_values)
    no_child = np.full(n_leaves, -1)

    def of_nodes(of_splits: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([of_splits, np.zeros(n_leaves, of_splits.dtype)])

    def children(key: str) -> NDArray[np.int64]:
        child = _numbers(section, key, np.int64)
        return np.concatenate([np.where(child < 0, n_splits - child - 1, child), no_child])

    return Tree(
        left=children("left_child") if n_splits else no_child,
        right=children("right_child") if n_splits else no_child,
        feature=of_nodes(splits.feature),
        threshold=of_nodes(splits.threshold),
        missing_right=of_nodes(splits.missing_right),
        values=np.concatenate([np.zeros(n_splits), leaf_values]).reshape(-1, 1),
        covers=np.concatenate(
            [
                _numbers(section, "internal_count", np.float64),
                _numbers(section, "leaf_count", np.float64),
            ]
        ),
        output=output,
        categorical={
            split: _goes_right(splits, split, cuts[int(splits.feature[split])])
            for split in range(n_splits)
            if int(splits.feature[split]) in cuts
        },
    )


def _goes_right(splits: _Splits, split: int, cuts: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n_codes,) where a value with each code of a feature goes; the last code is missing."""
    # The lowest value of each interval represents it.
    values = np.concatenate([[-np.inf], cuts])
    missing = bool(splits.missing_right[split])
    if split in splits.categories:
        categories = splits.categories[split]
        goes_left = np.zeros(int(categories.max(initial=-1)) + 2, bool)  # The last is for others.
        goes_left[categories] = True
        truncated = np.clip(np.trunc(values), -1, goes_left.size - 1)
        goes_right = ~goes_left[truncated.astype(np.intp)]
    else:
        goes_right = values > splits.threshold[split]
        if splits.zero_is_missing[split]:
            goes_right[np.abs(values) <= _ZERO] = missing
    return np.append(goes_right, missing)
