"""XGBoost: its boosters -> ``Model``, read from the JSON that XGBoost itself writes.

https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html describes it.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.engine.tree_packing import Tree, pack
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.fitted_estimator import (
    Answers,
    boosted_model,
    booster_answers,
    class_of,
    estimator_answers,
)
from mlserver_forest.importers.pickled_booster import (
    PickledBooster,
    booster_state,
    bytes_of,
    classes_of,
)
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.model.model import Model
from mlserver_forest.optional_library import require
from mlserver_forest.schema.schema import Schema

CLASS_NAMES = (
    "Booster",
    "XGBClassifier",
    "XGBRegressor",
    "XGBRanker",
    "XGBRFClassifier",
    "XGBRFRegressor",
)
_Margin = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def _same(base_score: NDArray[np.float32]) -> NDArray[np.float32]:
    return base_score


def _logit(base_score: NDArray[np.float32]) -> NDArray[np.float32]:
    odds = np.float32(1) / base_score - np.float32(1)
    return -_log(odds)


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
_VERSION_IN_JSON = re.compile(rb'"version"\s*:\s*\[\s*(\d{1,4})\s*,\s*(\d{1,4})')
# An array of int8; "#L" is its length.
_VERSION_IN_UBJ = re.compile(rb"version\[#L\0{7}\x03i(.)i(.)", re.DOTALL)
# XGBoost's own messages may hold bytes of the file, which its package cannot decode.
_UNREADABLE = (AttributeError, LookupError, MemoryError, TypeError, ValueError)
_LONGEST_REASON = 500


def is_model(head: bytes) -> bool:
    """Whether ``head`` begins a model in JSON or UBJ, which starts with its learner."""
    return head.lstrip().startswith(b"{") and b"learner" in head


def read(path: Path) -> Any:
    """Read a booster.

    Raises:
        UnsupportedEstimator: if XGBoost cannot read it.
    """
    content = bytearray(path.read_bytes())
    return _load(str(path), content, lambda xgboost: xgboost.Booster(model_file=content))


def _load(subject: str, content: bytearray, load: Callable[[Any], Any]) -> Any:
    """Let XGBoost load a booster, unless a newer one wrote it."""
    require("xgboost", "train")
    import xgboost

    _refuse_newer(content, xgboost.__version__)
    try:
        return load(xgboost)
    except (xgboost.core.XGBoostError, *_UNREADABLE) as error:
        reason = str(error).partition("Stack trace")[0].strip()
        raise UnsupportedEstimator(
            f"{subject} cannot be read by XGBoost {xgboost.__version__}: {reason[:_LONGEST_REASON]}"
        ) from error


def _refuse_newer(content: bytearray, ours: str) -> None:
    """Refuse a model of a newer XGBoost, whose rules the installed one does not know."""
    in_json, in_ubj = _VERSION_IN_JSON.search(content), _VERSION_IN_UBJ.search(content)
    if in_json:
        written = (int(in_json[1]), int(in_json[2]))
    elif in_ubj:
        written = (in_ubj[1][0], in_ubj[2][0])
    else:
        return
    if written > tuple(map(int, ours.split(".")[:2])):
        version = ".".join(map(str, written))
        raise UnsupportedEstimator(
            f"the model was written by XGBoost {version}, which is newer than {ours}, which is "
            f"installed; install xgboost>={version}"
        )


def _restored(content: bytes, xgboost: Any) -> Any:
    booster = xgboost.Booster()
    booster.__setstate__({"handle": bytearray(content)})
    return booster


def unpickle(record: Record) -> PickledBooster:
    """The booster in the record of an estimator or booster, of XGBoost 1.6 or newer.

    Raises:
        UnsupportedEstimator: if XGBoost cannot load it.
    """
    state = booster_state(record)
    content = bytes_of(state)
    if not isinstance(content, bytes) or not content.startswith(b"{"):
        raise UnsupportedEstimator(
            f"this {record.name} was pickled by XGBoost 1.5 or older, whose form newer versions do "
            "not read; load it there and save it with save_model('model.json')"
        )
    booster = _load(f"this {record.name}", bytearray(content), partial(_restored, content))
    classes, missing = classes_of(record), record.get("missing")
    missing = float(missing) if isinstance(missing, int | float) else None
    found = PickledBooster(record.kind, booster, classes, missing, is_alone=state is record)
    _refuse_other_missing(found)
    return found


def to_model(estimator: Any) -> Model:
    """Read a fitted estimator, or a booster, whose classes are 0, 1, ...

    XGBoost reads what a sparse matrix leaves out as missing (DMatrix); no other library does.

    Raises:
        UnsupportedEstimator: naming what cannot be packed.
    """
    if isinstance(estimator, PickledBooster):
        booster, estimator = estimator.booster, None if estimator.is_alone else estimator
    elif class_of(estimator) == "Booster":
        booster, estimator = estimator, None
    else:
        _refuse_other_missing(estimator)
        booster = estimator.get_booster()
    forest, n_classes = _forest(booster)
    names = booster.feature_names
    return boosted_model(forest, names, n_classes, estimator, absent_is_missing=True)


def answers(estimator: Any, x: NDArray[Any], schema: Schema) -> Answers:
    """Ask the estimator or booster itself; see ``estimator_answers``."""
    if isinstance(estimator, PickledBooster):
        estimator = estimator.booster
    if class_of(estimator) != "Booster":
        return estimator_answers(estimator, x, schema, validate_features=False)
    require("xgboost", "train")
    import xgboost

    # The booster, rather than the array, says which columns hold categories.
    data = xgboost.DMatrix(
        x,
        feature_names=estimator.feature_names,
        feature_types=estimator.feature_types,
        enable_categorical=True,
    )
    best = estimator.attr("best_iteration")
    rounds = (0, 0) if best is None else (0, int(best) + 1)
    values = estimator.predict(data, iteration_range=rounds).reshape(len(x), -1)
    if values.shape[1] == 1 and schema.n_value_columns > 2:  # multi:softmax gives classes.
        margins = estimator.predict(data, iteration_range=rounds, output_margin=True)
        powers = np.exp(margins - margins.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True), values[:, 0].astype(np.intp)
    return booster_answers(values, schema)


def _refuse_other_missing(estimator: Any) -> None:
    missing = estimator.missing
    if missing is not None and not math.isnan(missing):
        raise UnsupportedEstimator(
            f"this {class_of(estimator)} reads {missing:g} as missing, which cannot be "
            "packed; replace it by NaN in the data and train with missing=nan"
        )


def _forest(booster: Any) -> tuple[Forest, int]:
    """The trees, and the number of classes: 0 if the booster does not classify.

    XGBoost compares and adds up in float32, and so does the forest; a value goes left if it is
    less than the threshold.
    """
    learner = json.loads(_of_best_iteration(booster).save_raw("json"))["learner"]
    objective = learner["objective"]["name"]
    if objective not in _OBJECTIVES:
        raise UnsupportedEstimator(
            f"an XGBoost model with the objective {objective} cannot be packed; "
            f"expected one of {', '.join(_OBJECTIVES)}"
        )
    postprocessor, margin = _OBJECTIVES[objective]
    model, weights = _gradient_booster(learner["gradient_booster"])
    parameters = learner["learner_model_param"]
    n_classes, n_targets = int(parameters["num_class"]), int(parameters["num_target"])
    n_outputs = max(n_classes, n_targets, 1)
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
    forest = pack(
        trees,
        n_features=int(parameters["num_feature"]),
        feature_dtype=np.float32,
        initial=np.broadcast_to(margin(base_score), n_outputs).astype(np.float32),
        postprocessor=Postprocessor(postprocessor),
        cuts=cuts,
    )
    return forest, (max(n_classes, 2) if objective in _CLASSIFIERS else 0)


def _of_best_iteration(booster: Any) -> Any:
    """Without the rounds after the best one: early stopping keeps them, predictions do not."""
    best = booster.attr("best_iteration")
    return booster if best is None else booster[: int(best) + 1]


def _gradient_booster(booster: Mapping[str, Any]) -> tuple[Any, list[float]]:
    """The trees, and each tree's weight."""
    if booster["name"] == "gblinear":
        raise UnsupportedEstimator(
            "an XGBoost model with booster=gblinear has no trees and cannot be packed; "
            "train it with booster=gbtree"
        )
    model = booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]
    _refuse_named_categories(model.get("cats") or {})
    # XGBoost 3.4 keeps dart's weights beside the trees, 3.2 one level above.
    weights = model.get("weight_drop") or booster.get("weight_drop")
    return model, weights or [1.0] * len(model["trees"])


def _refuse_named_categories(cats: Mapping[str, Any]) -> None:
    """Refuse the categories of a data frame, unless they are the codes 0, 1, ... themselves."""
    for column, encoding in enumerate(cats.get("enc") or ()):
        values = encoding["values"]
        if values and ("offsets" in encoding or values != list(range(len(values)))):
            raise UnsupportedEstimator(
                f"this XGBoost model was trained on a DataFrame whose column {column + 1} has "
                "categories other than 0, 1, 2, ...; train it on their codes (.cat.codes)"
            )


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
