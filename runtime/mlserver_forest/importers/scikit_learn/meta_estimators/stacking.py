"""StackingClassifier and StackingRegressor with a linear final estimator."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlserver_forest.composition.linear import Linear
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

# All predict with ``X @ coef_.T + intercept_``.
_REGRESSORS = (
    *("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV"),
    *("Lars", "LarsCV", "LassoLars", "LassoLarsCV", "LassoLarsIC", "BayesianRidge"),
    *("ARDRegression", "HuberRegressor", "TheilSenRegressor", "SGDRegressor", "LinearSVR"),
    *("OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV", "PassiveAggressiveRegressor"),
)
_CLASSIFIERS = ("LogisticRegression", "LogisticRegressionCV")
# What is taken of a member, by the name of the method that scikit-learn asked.
_TAKEN: Mapping[str, str] = {"decision_function": "decision", "predict": "position"}
# Solvers that fitted one model for each class, where multi_class does not say it.
_ONE_AGAINST_THE_REST = ("liblinear", "newton-cholesky")


def read_stacking_classifier(estimator: Record, read: ReadMember) -> EstimatorPart:
    """A logistic regression on what the members answer."""
    members = [read(one) for one in estimator.require("estimators_")]
    classes = estimator.array("classes_", 1)
    require_classifiers(estimator, members, len(classes))
    methods = estimator.require("stack_method_")
    taken = []
    for method, member in zip(methods, members, strict=True):
        of_probabilities = "second" if len(classes) == 2 else "values"
        taken.append(_TAKEN.get(method, of_probabilities))
        # The members were fitted on the numbers of the classes, unless they were fitted before.
        labels = np.asarray(member.classes)
        if method == "predict" and not np.array_equal(labels, np.arange(len(classes))):
            raise UnsupportedEstimator(
                f"this {estimator.name} takes the labels of a {member.name}, which are not "
                "numbers from 0; fit it with stack_method='predict_proba'"
            )
    final = _final(estimator, _CLASSIFIERS)
    link = _link(final, len(classes))
    linear = _linear(estimator, final, members, taken, link)
    is_closed = linear.with_features  # The final estimator refuses NaN.
    return composed(
        estimator, linear, members, classes, takes_missing=not is_closed, has_decision=True
    )


def read_stacking_regressor(estimator: Record, read: ReadMember) -> EstimatorPart:
    """A linear model of what the members predict."""
    members = [read(one) for one in estimator.require("estimators_")]
    require_regressors(estimator, members)
    final = _final(estimator, _REGRESSORS)
    linear = _linear(estimator, final, members, ["values"] * len(members), "identity")
    return composed(estimator, linear, members, takes_missing=not linear.with_features)


def _final(estimator: Record, known: tuple[str, ...]) -> Record:
    final = record_of(estimator.require("final_estimator_"))
    if final.name not in known:
        raise UnsupportedEstimator(
            f"this {estimator.name} ends in a {final.name}, which cannot be packed; fit it with a "
            f"linear final_estimator, such as {known[0]}"
        )
    return final


def _linear(
    estimator: Record, final: Record, members: list[EstimatorPart], taken: list[str], link: str
) -> Linear:
    coefficients = np.atleast_2d(np.asarray(final.require("coef_"), np.float64))
    intercept = np.atleast_1d(np.asarray(final.require("intercept_"), np.float64))
    return Linear(
        tuple(member.predictor for member in members),
        tuple(taken),
        bool(estimator.get("passthrough")),
        coefficients,
        np.broadcast_to(intercept, len(coefficients)).copy(),
        link,
    )


def _link(final: Record, n_classes: int) -> str:
    """How LogisticRegression turns scores into probabilities, in scikit-learn 0.20 to 1.9."""
    multi_class: Any = final.get("multi_class", "auto")
    by_class = multi_class in {"ovr", "warn"} or (
        multi_class in {"auto", "deprecated"}
        and (n_classes == 2 or final.get("solver") in _ONE_AGAINST_THE_REST)
    )
    if n_classes == 2:
        return "binary" if by_class else "double"
    return "one against the rest" if by_class else "softmax"
