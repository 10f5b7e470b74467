"""XGBoost's own description of a model in JSON -> a forest.

https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html describes it.
"""

import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.engine.tree_packing import Tree, pack
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.data_frame_categories import categories_of
from mlserver_forest.schema.categories import Categories

_LEAST_SHARE = np.float32(1e-6)
_Margin = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def _same(base_score: NDArray[np.float32]) -> NDArray[np.float32]:
    return base_score


def _logit(base_score: NDArray[np.float32]) -> NDArray[np.float32]:
    # XGBoost 3.1 and later keep the mean of the labels, which may be 0 or 1, and clip it here.
    inside = np.clip(base_score, _LEAST_SHARE, np.float32(1) - _LEAST_SHARE)
    return -_log(np.float32(1) / inside - np.float32(1))


def _log(base_score: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logarithm, rounded as by the C library's logf; NumPy's float32 log differs."""
    return np.log(base_score.astype(np.float64)).astype(np.float32)


# By objective, the postprocessor, and what turns base_score into a raw score.
_OBJECTIVES: Mapping[str, tuple[str, _Margin]] = {
    "binary:logistic": ("binary", _logit),
    "binary:hinge": ("hinge", _same),
    "binary:logitraw": ("identity", _same),
    "multi:softprob": ("softmax", _same),
    "multi:softmax": ("softmax", _same),
    "reg:logistic": ("sigmoid", _logit),
    "reg:squarederror": ("identity", _same),
    "reg:squaredlogerror": ("identity", _same),
    "reg:pseudohubererror": ("identity", _same),
    "reg:absoluteerror": ("identity", _same),
    "reg:quantileerror": ("identity", _same),
    "count:poisson": ("exponential", _log),
    "reg:gamma": ("exponential", _log),
    "reg:tweedie": ("exponential", _log),
    "survival:cox": ("exponential", _log),
    "survival:aft": ("exponential", _log),
    "rank:pairwise": ("identity", _same),
    "rank:ndcg": ("identity", _same),
    "rank:map": ("identity", _same),
}
_CLASSIFIERS = frozenset({"binary:logistic", "binary:hinge", "multi:softprob", "multi:softmax"})
_CATEGORICAL = 1
# Each has a name, whatever the trees use of it.
_MOST_FEATURES = 1 << 20


def forest_of(learner: Mapping[str, Any], *, of_classifier: bool = False) -> tuple[Forest, int]:
    """The trees of a learner in JSON, and the number of classes: 0 if it does not classify.

    Args:
        learner: as XGBoost writes it.
        of_classifier: whether an XGBClassifier is around it, which takes reg:logistic for the
            probability of the second class.

    XGBoost compares and adds up in float32, and so does the forest; a value goes left if it is
    less than the threshold.

    Raises:
        UnsupportedEstimator: naming what cannot be packed.
    """
    objective = learner["objective"]["name"]
    if objective not in _OBJECTIVES:
        raise UnsupportedEstimator(
            f"an XGBoost model with the objective {objective} cannot be packed; "
            f"expected one of {', '.join(_OBJECTIVES)}"
        )
    if of_classifier and objective == "reg:logistic":
        objective = "binary:logistic"
    postprocessor, margin = _OBJECTIVES[objective]
    model, weights = _gradient_booster(learner["gradient_booster"])
    parameters = learner["learner_model_param"]
    n_classes, n_targets = int(parameters["num_class"]), int(parameters["num_target"])
    n_outputs, n_features = max(n_classes, n_targets, 1), int(parameters["num_feature"])
    if n_features > _MOST_FEATURES:
        raise UnsupportedEstimator(
            f"this XGBoost model has {n_features:,} features, of which at most {_MOST_FEATURES:,} "
            "can be packed; leave out those that no tree uses"
        )
    base_score = np.array(json.loads(parameters["base_score"]), np.float32)
    if not model["trees"]:
        raise UnsupportedEstimator(
            "this XGBoost model has no trees, because it was trained for no rounds; train it for "
            "one or more"
        )
    if n_targets > 1 and objective in _CLASSIFIERS:
        raise UnsupportedEstimator(
            f"this XGBoost model classifies {n_targets} labels at once, which cannot be packed; "
            "train one model for each label"
        )
    cuts = _cuts(model["trees"])
    trees = [
        _tree(tree, output, weight, cuts)
        for tree, output, weight in zip(model["trees"], model["tree_info"], weights, strict=True)
    ]
    if n_outputs > len(trees):
        raise UnsupportedEstimator(
            f"this XGBoost model has {n_outputs:,} outputs and {len(trees)} trees, though each "
            "output has a tree in each round; the file is damaged"
        )
    forest = pack(
        trees,
        n_features=n_features,
        feature_dtype=np.float32,
        initial=np.broadcast_to(margin(base_score), n_outputs).astype(np.float32),
        postprocessor=Postprocessor(postprocessor),
        cuts=cuts,
    )
    return forest, (max(n_classes, 2) if objective in _CLASSIFIERS else 0)


def named_categories(learner: Mapping[str, Any]) -> dict[int, Categories]:
    """The categories of a data frame that are not their own codes, by column; kept since 3.1.

    XGBoost refuses categories that it did not see.

    Raises:
        UnsupportedEstimator: if a request could not name them.
    """
    booster = learner["gradient_booster"]
    model = booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]
    encodings = enumerate((model.get("cats") or {}).get("enc") or ())
    return {
        column: named
        for column, encoding in encodings
        if encoding["values"]
        and (named := categories_of(column, _decoded(encoding), refuses_unseen=True))
    }


def _decoded(encoding: Mapping[str, Any]) -> list[Any]:
    """The categories of a column: numbers, or texts of which the bytes are kept."""
    values: list[Any] = encoding["values"]
    if "offsets" not in encoding:
        return values
    text = bytes(value & 255 for value in values)
    return [text[start:end].decode() for start, end in pairwise(encoding["offsets"])]


def _gradient_booster(booster: Mapping[str, Any]) -> tuple[Any, list[float]]:
    """The trees, and each tree's weight."""
    if booster["name"] == "gblinear":
        raise UnsupportedEstimator(
            "an XGBoost model with booster=gblinear has no trees and cannot be packed; "
            "train it with booster=gbtree"
        )
    model = booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]
    # XGBoost 3.4 keeps dart's weights beside the trees, 3.2 one level above.
    weights = model.get("weight_drop") or booster.get("weight_drop")
    return model, weights or [1.0] * len(model["trees"])


def _cuts(trees: Any) -> dict[int, NDArray[np.float64]]:
    """Edges around each category c that a split of a feature names: c and c + 1."""
    named: dict[int, set[int]] = {}
    for tree in trees:
        for node, categories in _categories(tree).items():
            named.setdefault(tree["split_indices"][node], {0}).update(categories)
    return {
        feature: np.unique([edge for c in categories for edge in (c, c + 1)]).astype(np.float64)
        for feature, categories in named.items()
    }


def _categories(tree: Mapping[str, Any]) -> dict[int, list[int]]:
    """For each categorical split, the categories that go right."""
    segments = zip(
        tree["categories_nodes"],
        tree["categories_segments"],
        tree["categories_sizes"],
        strict=True,
    )
    return {node: tree["categories"][start : start + size] for node, start, size in segments}


def _tree(
    tree: Mapping[str, Any],
    output: int,
    weight: float,
    cuts: Mapping[int, NDArray[np.float64]],
) -> Tree:
    if int(tree["tree_param"]["size_leaf_vector"]) > 1:
        raise UnsupportedEstimator(
            "an XGBoost model with multi_strategy=multi_output_tree cannot be packed; "
            "train it with multi_strategy=one_output_per_tree"
        )
    condition = np.array(tree["split_conditions"], np.float32)
    feature = np.array(tree["split_indices"])
    missing_right = np.array(tree["default_left"]) == 0
    below = np.nextafter(condition, np.float32(-np.inf))
    categorical = {
        node: _goes_right(cuts[int(feature[node])], categories, missing=bool(missing_right[node]))
        for node, categories in _categories(tree).items()
        if tree["split_type"][node] == _CATEGORICAL
    }
    return Tree(
        left=np.array(tree["left_children"]),
        right=np.array(tree["right_children"]),
        feature=feature,
        threshold=below.astype(np.float64),
        missing_right=missing_right,
        values=(np.float32(weight) * condition).reshape(-1, 1),
        covers=np.array(tree["sum_hessian"], np.float32),
        output=output,
        categorical=categorical,
    )


def _goes_right(
    cuts: NDArray[np.float64], categories: list[int], *, missing: bool
) -> NDArray[np.bool_]:
    """(n_codes,) where each code of a feature goes: only the named categories go right."""
    goes_right = np.zeros(len(cuts) + 2, bool)
    goes_right[1:-1] = np.isin(cuts, categories)
    goes_right[-1] = missing
    return goes_right
