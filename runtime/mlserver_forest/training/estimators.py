"""Algorithm -> unfitted estimator."""

from collections.abc import Sequence
from typing import Any

from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from mlserver_forest.errors import InvalidHyperparameters
from mlserver_forest.schema import Label, TargetKind
from mlserver_forest.training.hyperparameters import Hyperparameters, criterion_fault

_ESTIMATORS = {
    ("random_forest", "classification"): RandomForestClassifier,
    ("random_forest", "regression"): RandomForestRegressor,
    ("extra_trees", "classification"): ExtraTreesClassifier,
    ("extra_trees", "regression"): ExtraTreesRegressor,
}


def make_estimator(
    hyperparameters: Hyperparameters, kind: TargetKind, classes: Sequence[Label]
) -> Any:
    """The scikit-learn estimator for an algorithm, to be fitted on class positions.

    Raises:
        InvalidHyperparameters: if one does not suit what the labels turned out to be.
    """
    faults = [criterion_fault(hyperparameters.criterion, kind)]
    parameters = hyperparameters.estimator_parameters()
    weights = parameters.get("class_weight")
    if weights is not None and kind == "regression":
        faults.append("class_weight is for classification, but the labels are numbers")
    if isinstance(weights, dict):
        position = {str(label): i for i, label in enumerate(classes)}
        strange = [label for label in weights if label not in position]
        faults += [f"class_weight names {label!r}, which is no label" for label in strange]
        parameters["class_weight"] = {
            position[label]: weight for label, weight in weights.items() if label in position
        }
    if any(faults):
        raise InvalidHyperparameters([fault for fault in faults if fault])
    return _ESTIMATORS[hyperparameters.algorithm, kind](**parameters)
