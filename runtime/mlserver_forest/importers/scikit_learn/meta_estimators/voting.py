"""VotingClassifier and VotingRegressor."""

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.composition.averages import Average, Vote
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.estimator_part import (
    EstimatorPart,
    ReadMember,
    composed,
    require_classifiers,
    require_regressors,
)

_LEFT_OUT = (None, "drop")


def read_voting_classifier(estimator: Record, read: ReadMember) -> EstimatorPart:
    """Soft voting averages probabilities; hard voting counts the classes."""
    members = [read(one) for one in estimator.require("estimators_")]
    classes = estimator.array("classes_", 1)
    require_classifiers(estimator, members, len(classes))
    predictors = tuple(member.predictor for member in members)
    weights = weights_of(estimator, len(members))
    if estimator.require("voting") == "hard":
        return composed(estimator, Vote(predictors, weights, len(classes)), members, classes)
    return composed(estimator, Average(predictors, weights), members, classes)


def read_voting_regressor(estimator: Record, read: ReadMember) -> EstimatorPart:
    """The weighted mean."""
    members = [read(one) for one in estimator.require("estimators_")]
    require_regressors(estimator, members)
    predictors = tuple(member.predictor for member in members)
    return composed(estimator, Average(predictors, weights_of(estimator, len(members))), members)


def weights_of(estimator: Record, n_members: int) -> NDArray[np.float64]:
    """(n_members,) the weights of the estimators that were not left out."""
    given = estimator.get("weights")
    if given is None:
        return np.ones(n_members)
    left_out = [
        one is None or (isinstance(one, str) and one in _LEFT_OUT)
        for _, one in estimator.require("estimators")
    ]
    kept = [weight for weight, is_out in zip(given, left_out, strict=True) if not is_out]
    return np.asarray(kept, np.float64)
