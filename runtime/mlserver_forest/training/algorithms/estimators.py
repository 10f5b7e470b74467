"""Hyperparameters and what the data turned out to be -> an unfitted estimator."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlserver_forest.errors import InvalidHyperparameters, format_value
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.schema import Label, TargetKind
from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters
from mlserver_forest.training.algorithms.problems import BINARY, MULTICLASS, REGRESSION, Problem

_SIGNS = ("monotonic_cst", "monotone_constraints")
_GROUPS = ("interaction_cst", "interaction_constraints")


@dataclass(frozen=True)
class InputColumn:
    """A column that an estimator reads.

    Attributes:
        name: for a reader.
        source: the position of the feature that it is, or that it is derived from.
        derived_from: the feature that it is derived from; empty if it is the feature itself.
    """

    name: str
    source: int
    derived_from: str = ""


def make_estimator(
    chosen: Hyperparameters,
    kind: TargetKind,
    classes: Sequence[Label],
    names: Sequence[str],
    categories: Mapping[str, Categories],
    random_state: int,
    inputs: Sequence[InputColumn] = (),
) -> Any:
    """Make an algorithm's estimator, which has scikit-learn's interface.

    Args:
        chosen: the hyperparameters. ``early_stopping_rounds`` is left to the function that fits,
            which has the rows to watch.
        kind: classification or regression.
        classes: the labels that the positions 0, 1, ... stand for; the estimator is fitted on
            the positions.
        names: the features, (n_features,).
        categories: name of a categorical feature -> its categories; X holds their positions.
        random_state: the seed.
        inputs: the columns of X, if they are not the features as they are.

    Returns:
        The estimator, not fitted.

    Raises:
        InvalidHyperparameters: if some do not suit what the data turned out to be.
    """
    own = chosen.own
    inputs = inputs or [InputColumn(name, position) for position, name in enumerate(names)]
    n_categories = {
        position: categories[one.name].n_codes
        for position, one in enumerate(inputs)
        if not one.derived_from and one.name in categories
    }
    faults = own.misfits(_problem(kind, classes), len(classes))
    faults += own.column_misfits([inputs[position].name for position in n_categories])
    parameters = own.estimator_parameters()
    faults += _use_class_positions(parameters, classes)
    faults += _use_feature_positions(parameters, names, categories)
    if faults:
        raise InvalidHyperparameters(faults)
    _use_input_positions(parameters, inputs)
    parameters |= {name: value for name in own.FROM_JOB if (value := getattr(chosen.job, name))}
    parameters["random_state"] = random_state
    parameters |= own.native_parameters(parameters, len(inputs), n_categories)
    make = chosen.algorithm.estimator_class(is_classification=kind == "classification")
    return make(**parameters)


def _problem(kind: TargetKind, classes: Sequence[Label]) -> frozenset[Problem]:
    if kind == "regression":
        return REGRESSION
    return BINARY if len(classes) == 2 else MULTICLASS


def _use_class_positions(parameters: dict[str, Any], classes: Sequence[Label]) -> list[str]:
    """Key class weights by the label's position instead of the label; return faults."""
    position = {str(label): i for i, label in enumerate(classes)}
    faults = []
    for key in ("class_weight", "class_weights"):
        weights = parameters.get(key)
        if not isinstance(weights, dict) or not classes:
            continue
        parameters[key] = {
            position[label]: weight for label, weight in weights.items() if label in position
        }
        strange = [label for label in weights if label not in position]
        faults += [f"{key} names {format_value(label)}, which is not a label" for label in strange]
    return faults


def _use_feature_positions(
    parameters: dict[str, Any], names: Sequence[str], categories: Collection[str]
) -> list[str]:
    """Write constraints as lists by feature position; return faults."""
    faults: list[str] = []
    for key in _SIGNS:
        if parameters.get(key) is not None:
            parameters[key] = _signs(key, parameters[key], names, categories, faults)
    for key in _GROUPS:
        if isinstance(parameters.get(key), list):
            parameters[key] = [
                sorted({_position(key, name, names, faults) for name in group})
                for group in parameters[key]
            ]
    return faults


def _use_input_positions(parameters: dict[str, Any], inputs: Sequence[InputColumn]) -> None:
    """Rewrite constraints by feature position for the columns that the estimator reads."""
    for key in _SIGNS:
        if parameters.get(key) is not None:
            parameters[key] = [parameters[key][one.source] for one in inputs]
    for key in _GROUPS:
        if isinstance(parameters.get(key), list):
            parameters[key] = [
                [place for place, one in enumerate(inputs) if one.source in group]
                for group in parameters[key]
            ]


def _signs(
    key: str,
    signs: Sequence[int] | Mapping[str, int],
    names: Sequence[str],
    categories: Collection[str],
    faults: list[str],
) -> list[int]:
    """One of -1, 0 and 1 for each feature.

    Args:
        key: the hyperparameter.
        signs: one for each feature, or by a feature's name or position.
        names: the features.
        categories: the categorical features, whose values have no order.
        faults: gets what is wrong.
    """
    if isinstance(signs, Mapping):
        by_position = {_position(key, name, names, faults): sign for name, sign in signs.items()}
        resolved = [by_position.get(column, 0) for column in range(len(names))]
    else:
        resolved = list(signs)
        if len(resolved) != len(names):
            faults.append(
                f"{key} has {len(resolved)} numbers, but there are {len(names)} features: "
                f"{format_value(list(names))}"
            )
    faults += [
        f"{key} names {format_value(name)}, which holds categories: they have no order"
        for name, sign in zip(names, resolved, strict=False)
        if sign and name in categories
    ]
    return resolved


def _position(key: str, name: str | int, names: Sequence[str], faults: list[str]) -> int:
    """A feature's position, from its name or else from its position as text; -1 for neither."""
    if name in names:
        return names.index(str(name))
    if str(name).isdecimal() and int(name) < len(names):
        return int(name)
    faults.append(
        f"{key} names {format_value(name)}, which is not a feature; expected one of "
        f"{format_value(list(names))}"
    )
    return -1
