"""AdaBoostClassifier and AdaBoostRegressor, whose trees become one forest."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.composition.averages import WeightedMedian
from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.estimator_part import EstimatorPart, ReadMember
from mlserver_forest.importers.scikit_learn.release import release_of
from mlserver_forest.importers.scikit_learn.tree_nodes import (
    are_trees,
    leaf_values,
    members_of,
    n_features_of,
    raw_values,
    read_tree,
    spread_over,
)
from mlserver_forest.importers.tree_ensemble import TreeEnsemble


def read_adaboost_classifier(estimator: Record, _: ReadMember) -> EstimatorPart:
    """What a tree says depends on the leaf alone, so its vote becomes the leaf's value."""
    trees = _trees_of(estimator)
    classes = estimator.array("classes_", 1)
    weights = estimator.array("estimator_weights_", 1)
    is_real = estimator.get("algorithm") == "SAMME.R"
    if not is_real and release_of(estimator).boosts_labels_apart:
        raise UnsupportedEstimator(
            "this AdaBoostClassifier was fitted with algorithm='SAMME' by scikit-learn 0.21 or "
            "older, which added up other numbers for probabilities than for labels; fit it again "
            "with a newer version, or with algorithm='SAMME.R'"
        )
    vote = _vote_by_probability if is_real else _vote
    packed = []
    for tree, weight in zip(trees, weights.tolist(), strict=False):  # There may be more weights.
        packed.append(read_tree(tree, vote(estimator, tree, classes, weight)))
    ensemble = TreeEnsemble(
        packed,
        n_features=n_features_of(trees[0]),
        feature_dtype=np.dtype(np.float32),
        initial=np.zeros(len(classes)),
        divisor=float(weights.sum()),
        postprocessor=Postprocessor("adaboost"),
    )
    return _part(estimator, ensemble, classes)


def read_adaboost_regressor(estimator: Record, _: ReadMember) -> EstimatorPart:
    """Each tree adds to a column of its own, and the weighted median of the columns is taken."""
    trees = _trees_of(estimator)
    weights = estimator.array("estimator_weights_", 1)[: len(trees)].astype(np.float64)
    packed = [
        read_tree(tree, leaf_values(tree, is_classifier=False), column)
        for column, tree in enumerate(trees)
    ]
    ensemble = TreeEnsemble(
        packed,
        n_features=n_features_of(trees[0]),
        feature_dtype=np.dtype(np.float32),
        initial=np.zeros(len(trees)),
    )
    return _part(estimator, WeightedMedian((ensemble,), weights), None)


def _part(estimator: Record, predictor: Any, classes: NDArray[Any] | None) -> EstimatorPart:
    return EstimatorPart(
        estimator.name,
        predictor,
        classes,
        takes_missing=False,  # AdaBoost refuses NaN itself.
        has_decision=classes is not None,
        feature_names=estimator.get("feature_names_in_"),
    )


def _trees_of(estimator: Record) -> list[Record]:
    found = members_of(estimator)
    if not are_trees(found):
        raise UnsupportedEstimator(
            f"this {estimator.name} boosts a {record_of(found[0]).name}, which cannot be packed; "
            "fit it with decision trees, which are its default"
        )
    return [record_of(one) for one in found]


def _vote(
    estimator: Record, tree: Record, classes: NDArray[Any], weight: float
) -> NDArray[np.float64]:
    """(n_nodes, n_classes) SAMME: the weight for the class of the node."""
    chosen = raw_values(tree)[:, 0, :].argmax(axis=1)
    own = tree.array("classes_", 1)[chosen]
    is_chosen = own[:, np.newaxis] == classes
    against = -1 / (len(classes) - 1) * weight if release_of(estimator).votes_against else 0.0
    return np.where(is_chosen, weight, against)


def _vote_by_probability(
    _: Record, tree: Record, classes: NDArray[Any], __: float
) -> NDArray[np.float64]:
    """(n_nodes, n_classes) SAMME.R: ``_samme_proba`` of scikit-learn up to 1.5."""
    shares = leaf_values(tree, is_classifier=True)
    shares = spread_over(shares, tree.array("classes_", 1), classes)
    logs = np.log(np.clip(shares, np.finfo(np.float64).eps, None))
    n_classes = len(classes)
    found: NDArray[np.float64] = (n_classes - 1) * (
        logs - (1.0 / n_classes) * logs.sum(axis=1)[:, np.newaxis]
    )
    return found
