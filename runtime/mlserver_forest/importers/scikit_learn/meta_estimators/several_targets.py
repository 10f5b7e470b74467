"""OneVsRestClassifier, MultiOutputRegressor and RegressorChain: an estimator for each column."""

import numpy as np

from mlserver_forest.composition.averages import SideBySide
from mlserver_forest.composition.probabilities import OneVsRest
from mlserver_forest.composition.target_transforms import Chain
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.estimator_part import (
    EstimatorPart,
    ReadMember,
    composed,
    require_classifiers,
    require_decision,
    require_regressors,
)
from mlserver_forest.importers.scikit_learn.release import release_of


def read_one_vs_rest(estimator: Record, read: ReadMember) -> EstimatorPart:
    """A classifier of two classes for each class, whose probabilities are made to sum to 1."""
    binarizer = record_of(estimator.require("label_binarizer_"))
    if str(binarizer.get("y_type_")).startswith("multilabel"):
        raise UnsupportedEstimator(
            f"this {estimator.name} gives a row several labels at once, which cannot be packed; "
            "fit one classifier for each label"
        )
    members = [read(one) for one in estimator.require("estimators_")]
    require_classifiers(estimator, members, 2)
    by_decision = all(member.has_decision for member in members)
    for member in members:
        require_decision(estimator, member)
    predictor = OneVsRest(
        tuple(member.predictor for member in members),
        by_decision,
        release_of(estimator).takes_last_of_equal,
    )
    classes = binarizer.array("classes_", 1)
    return composed(estimator, predictor, members, classes, has_decision=by_decision)


def read_multi_output_regressor(estimator: Record, read: ReadMember) -> EstimatorPart:
    """A regressor for each target."""
    members = [read(one) for one in estimator.require("estimators_")]
    require_regressors(estimator, members)
    columns = SideBySide(tuple(member.predictor for member in members))
    return composed(estimator, columns, members)


def read_regressor_chain(estimator: Record, read: ReadMember) -> EstimatorPart:
    """A regressor for each target, which also reads the targets before it."""
    members = [read(one) for one in estimator.require("estimators_")]
    require_regressors(estimator, members)
    order = np.asarray(estimator.require("order_"), np.uint32)
    chain = Chain(tuple(member.predictor for member in members), order)
    return composed(estimator, chain, members, takes_missing=False)
