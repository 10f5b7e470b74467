"""Transformers that select columns, as feature_selection/ of scikit-learn 0.20 to 1.9 does."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.pipelines.prepared import (
    PreparedTable,
    numeric,
)
from mlserver_forest.importers.scikit_learn.tree_nodes import n_features_of, nodes_of, trees_of

Mask = NDArray[np.bool_]
# By the mode of GenericUnivariateSelect, the class and the name of its parameter.
_MODES = {
    "percentile": ("SelectPercentile", "percentile"),
    "k_best": ("SelectKBest", "k"),
    "fpr": ("SelectFpr", "alpha"),
    "fdr": ("SelectFdr", "alpha"),
    "fwe": ("SelectFwe", "alpha"),
}
_LEAST_OF_LASSO = 1e-5


def read_selector(selector: Record, table: PreparedTable) -> PreparedTable:
    """The selected columns, in their order."""
    mask = np.asarray(_MASKS[selector.name](selector), bool)
    table.require_width(selector.name, len(mask))
    # What is no number is refused, even where it is not selected.
    takes_missing = selector.name not in _FILTERS
    checked = table.map_all(numeric(lambda x: x, refuses_missing=not takes_missing, steps=()))
    return checked.take(np.flatnonzero(mask).tolist())


def _k_best(selector: Record) -> Mask:
    scores, k = _scores(selector), selector.require("k")
    mask = np.zeros(len(scores), bool)
    if k == "all":
        return ~mask
    if k:
        mask[np.argsort(scores, kind="mergesort")[-int(k) :]] = True
    return mask


def _percentile(selector: Record) -> Mask:
    scores, percentile = _scores(selector), selector.require("percentile")
    if percentile in (0, 100):
        return np.full(len(scores), percentile == 100)
    threshold = np.percentile(scores, 100 - percentile)
    mask: Mask = scores > threshold
    ties = np.flatnonzero(scores == threshold)
    n_most = int(len(scores) * percentile / 100)
    mask[ties[: n_most - mask.sum()]] = True
    return mask


def _fpr(selector: Record) -> Mask:
    return np.asarray(selector.array("pvalues_", 1) < selector.require("alpha"))


def _fdr(selector: Record) -> Mask:
    found = selector.array("pvalues_", 1)
    n = len(found)
    ordered = np.sort(found)
    chosen = ordered[ordered <= float(selector.require("alpha")) / n * np.arange(1, n + 1)]
    return np.asarray(found <= chosen.max() if chosen.size else np.zeros(n, bool))


def _fwe(selector: Record) -> Mask:
    found = selector.array("pvalues_", 1)
    return np.asarray(found < selector.require("alpha") / len(found))


def _generic(selector: Record) -> Mask:
    name, parameter = _MODES[selector.require("mode")]
    return _MASKS[name](
        Record(selector.kind, state={**selector.attributes, parameter: selector.require("param")})
    )


def _variance(selector: Record) -> Mask:
    return np.asarray(selector.array("variances_", 1) > selector.require("threshold"))


def _support(selector: Record) -> Mask:
    return selector.array("support_", 1)


def _from_model(selector: Record) -> Mask:
    fitted = selector.get("estimator_")
    estimator = record_of(selector.require("estimator") if fitted is None else fitted)
    if selector.get("importance_getter", "auto") != "auto":
        raise UnsupportedEstimator(
            "a SelectFromModel has an importance_getter of its own, which cannot be packed; "
            "leave it at 'auto'"
        )
    scores = _importances(estimator, selector.get("norm_order", 1))
    threshold = _threshold(estimator, scores, selector.get("threshold"))
    most = selector.get("max_features_", selector.get("max_features"))
    mask = np.ones(len(scores), bool)
    if selector.get("max_features") is not None:
        mask[:] = False
        mask[np.argsort(-scores, kind="mergesort")[: int(most)]] = True
    mask[scores < threshold] = False
    return mask


def _importances(estimator: Record, norm_order: Any) -> NDArray[np.float64]:
    """(n_columns,) the sizes of the coefficients, or how much the trees gain by each column."""
    if estimator.has("coef_"):
        coefficients = estimator.array("coef_")
        if coefficients.ndim == 1:
            return np.abs(coefficients)
        return np.linalg.norm(coefficients, axis=0, ord=norm_order)
    if estimator.has("tree_"):
        return _gains(estimator)
    if estimator.has("estimators_") and all(one.has("tree_") for one in trees_of(estimator)):
        return _mean_gains(estimator)
    raise UnsupportedEstimator(
        f"a SelectFromModel selects by a {estimator.name}, whose importances are not in the file; "
        "select by a tree ensemble or a linear model of scikit-learn"
    )


def _mean_gains(estimator: Record) -> NDArray[np.float64]:
    is_boosting = "Boosting" in estimator.name
    trees = [tree for tree in trees_of(estimator) if len(nodes_of(tree)) > 1]
    if not trees:
        return np.zeros(n_features_of(estimator))
    found = [_gains(tree, normalized=not is_boosting) for tree in trees]
    mean: NDArray[np.float64] = np.mean(found, axis=0, dtype=np.float64)
    return mean / mean.sum()


def _gains(estimator: Record, *, normalized: bool = True) -> NDArray[np.float64]:
    """How much the splits of a tree at each column lower the impurity."""
    nodes = nodes_of(estimator)
    inner = np.flatnonzero(nodes["left_child"] >= 0)
    weighted = nodes["weighted_n_node_samples"] * nodes["impurity"]
    left, right = nodes["left_child"][inner], nodes["right_child"][inner]
    gains = np.zeros(n_features_of(estimator))
    np.add.at(gains, nodes["feature"][inner], weighted[inner] - weighted[left] - weighted[right])
    gains /= nodes["weighted_n_node_samples"][0]
    total = gains.sum()
    return gains / total if normalized and total > 0 else gains


def _threshold(estimator: Record, scores: NDArray[np.float64], threshold: Any) -> float:
    if threshold is None:
        threshold = _LEAST_OF_LASSO if _is_sparse_model(estimator) else "mean"
    if not isinstance(threshold, str):
        return float(threshold)
    factor, _, reference = threshold.rpartition("*")
    functions: Mapping[str, Callable[[Any], Any]] = {"mean": np.mean, "median": np.median}
    scale = float(factor.strip()) if factor else 1.0
    return float(scale * functions[reference.strip()](scores))


def _is_sparse_model(estimator: Record) -> bool:
    """Whether a linear model was fitted with a penalty that leaves out columns."""
    ratio = estimator.get("l1_ratio_" if estimator.name.endswith("CV") else "l1_ratio")
    by_ratio = ("ElasticNet", "ElasticNetCV", "LogisticRegression", "LogisticRegressionCV")
    return (
        estimator.get("penalty") == "l1"
        or "Lasso" in estimator.name
        or (
            estimator.name in by_ratio
            and ratio is not None
            and bool(np.all(np.isclose(np.asarray(ratio, np.float64), 1.0)))
        )
    )


def _scores(selector: Record) -> NDArray[np.float64]:
    scores = np.array(selector.array("scores_", 1), np.float64)
    scores[np.isnan(scores)] = np.finfo(scores.dtype).min
    return scores


_MASKS: Mapping[str, Callable[[Record], Mask]] = {
    "SelectKBest": _k_best,
    "SelectPercentile": _percentile,
    "SelectFpr": _fpr,
    "SelectFdr": _fdr,
    "SelectFwe": _fwe,
    "GenericUnivariateSelect": _generic,
    "SelectFromModel": _from_model,
    "VarianceThreshold": _variance,
    "RFE": _support,
    "RFECV": _support,
    "SequentialFeatureSelector": _support,
}
SELECTORS = tuple(_MASKS)
# They refuse NaN; the others take it if the estimator does that they select by.
_FILTERS = {*(name for name, _ in _MODES.values()), "GenericUnivariateSelect"}
