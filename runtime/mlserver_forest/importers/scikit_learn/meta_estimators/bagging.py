"""BaggingClassifier and BaggingRegressor."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.composition.averages import Average, Select
from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.estimator_part import (
    EstimatorPart,
    ReadMember,
    composed,
    require_classifiers,
    require_regressors,
)
from mlserver_forest.importers.scikit_learn.release import release_of
from mlserver_forest.importers.scikit_learn.tree_nodes import (
    are_trees,
    averaged,
    has_classes,
    leaf_values,
    members_of,
    n_features_of,
    read_tree,
    spread_over,
    takes_missing,
)
from mlserver_forest.importers.tree_ensemble import TreeEnsemble


def read_bagging(estimator: Record, read: ReadMember) -> EstimatorPart:
    """The mean of all members, each of which reads its own features; trees become one forest."""
    found = members_of(estimator)
    features = [np.asarray(columns) for columns in estimator.require("estimators_features_")]
    classes = estimator.array("classes_", 1) if has_classes(estimator) else None
    if are_trees(found):
        trees = [record_of(one) for one in found]
        missing = takes_missing(trees[0], release_of(trees[0]))
        forest = _forest(estimator, trees, features, classes)
        return EstimatorPart(
            estimator.name,
            forest,
            classes,
            missing,
            feature_names=estimator.get("feature_names_in_"),
        )
    members = [read(one) for one in found]
    if classes is None:
        require_regressors(estimator, members)
    else:
        require_classifiers(estimator, members, len(classes))
    if any(member.categories for member in members):
        raise UnsupportedEstimator(
            f"this {estimator.name} draws features for members that read categories as words, "
            "which cannot be packed; fit it on the codes of the categories"
        )
    width = n_features_of(estimator)
    selected: list[Predictor] = [
        Select((member.predictor,), columns.astype(np.uint32), width)
        for member, columns in zip(members, features, strict=True)
    ]
    average = Average(tuple(selected), np.ones(len(members)))
    has_decision = all(member.has_decision for member in members)
    return composed(estimator, average, members, classes, has_decision=has_decision)


def _forest(
    estimator: Record,
    trees: list[Record],
    features: list[NDArray[Any]],
    classes: NDArray[Any] | None,
) -> TreeEnsemble:
    packed = []
    for tree, columns in zip(trees, features, strict=True):
        values = leaf_values(tree, is_classifier=classes is not None)
        if classes is not None:  # The trees know the classes by their numbers.
            values = spread_over(values, tree.array("classes_", 1), np.arange(len(classes)))
        packed.append(read_tree(tree, values, features=columns))
    return averaged(packed, n_features_of(estimator))
