"""The protocol that the estimators of all libraries share, which is scikit-learn's."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers.pickles.record import GlobalName
from mlserver_forest.model.model import Model
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.schema import FeatureDatatype, Label, Schema, TargetKind

Answers = tuple[NDArray[Any], NDArray[np.intp]]
NO_CLASSES = np.empty(0, np.intp)


def class_of(estimator: Any) -> str:
    """The name of the class of an estimator, or of what stands for one that a file holds."""
    kind = getattr(estimator, "kind", None)
    return kind.name if isinstance(kind, GlobalName) else type(estimator).__name__


def module_of(estimator: Any) -> str:
    """The name that an estimator's library is imported by."""
    kind = getattr(estimator, "kind", None)
    module = kind.module if isinstance(kind, GlobalName) else type(estimator).__module__
    return module.partition(".")[0]


def model_of(
    forest: Predictor,
    names: Any,
    kind: TargetKind,
    classes: tuple[Label, ...],
    *,
    takes_missing: bool = True,
    absent_is_missing: bool = False,
    missing_number: float | None = None,
    categories: Mapping[int, Categories] | None = None,
) -> Model:
    """Make a model of a forest, with the schema that its library describes.

    Args:
        forest: the trees, or a composition of several forests.
        names: the features' names, or None for ``feature_0``, ``feature_1``, ...
        kind: what the model predicts.
        classes: as in ``Schema``.
        takes_missing: as in ``Schema``.
        absent_is_missing: as in ``Schema``.
        missing_number: as in ``Schema``.
        categories: the features whose categories have names, by column.
    """
    if names is None:
        names = [f"feature_{column}" for column in range(forest.n_features)]
    names = tuple(map(str, names))
    datatype: FeatureDatatype = "FP64" if forest.feature_dtype.itemsize == 8 else "FP32"
    n_targets = forest.n_value_columns if kind == "regression" else 1
    schema = Schema(
        names,
        kind,
        classes,
        datatype,
        n_targets,
        takes_missing,
        absent_is_missing,
        missing_number,
        categories={names[column]: found for column, found in (categories or {}).items()},
    )
    return Model(schema, forest)


def boosted_model(
    forest: Forest,
    names: Any,
    n_classes: int,
    estimator: Any,
    *,
    absent_is_missing: bool = False,
    missing_number: float | None = None,
    categories: Mapping[int, Categories] | None = None,
) -> Model:
    """The model of a booster.

    Args:
        forest: its trees.
        names: as in ``model_of``.
        n_classes: the number of classes; 0 if it does not classify.
        estimator: the estimator around the booster, or None.
        absent_is_missing: as in ``Schema``.
        missing_number: as in ``Schema``.
        categories: as in ``model_of``.

    Raises:
        UnsupportedEstimator: if a classifier has an objective without probabilities.
    """
    classes: tuple[Label, ...] = tuple(range(n_classes))
    # A ranker or regressor has no classes_; older versions of XGBoost raise AttributeError.
    if class_of(estimator).endswith("Classifier"):
        found = estimator.classes_
        classes = classes if found is None else labels_of(class_of(estimator), found)
        if len(classes) == 1:
            raise UnsupportedEstimator(
                f"this {class_of(estimator)} was fitted on one class, {classes[0]!r}, which it "
                "always answers; fit it on two or more"
            )
        if not n_classes:
            raise UnsupportedEstimator(
                f"this {class_of(estimator)} has an objective that gives no "
                "probabilities; pack its booster, which answers with scores"
            )
    kind: TargetKind = "classification" if classes else "regression"
    return model_of(
        forest,
        names,
        kind,
        classes,
        absent_is_missing=absent_is_missing,
        missing_number=missing_number,
        categories=categories,
    )


def labels_of(name: str, found: NDArray[Any]) -> tuple[Label, ...]:
    """The classes as strings, integers or booleans; whole floats become integers.

    Args:
        name: of the estimator's class, for error messages.
        found: (n_classes,) its classes.

    Raises:
        UnsupportedEstimator: if they have other types, or several types.
    """
    if found.dtype.kind == "S":  # Python 2's strings.
        found = np.char.decode(found, "utf-8")
    labels = found.tolist()
    if all(isinstance(label, float) and label.is_integer() for label in labels):
        labels = [int(label) for label in labels]
    if {type(label) for label in labels} not in ({str}, {int}, {bool}):
        raise UnsupportedEstimator(
            f"the classes of this {name} are {format_value(labels[:3])}...; "
            "labels must be all strings, all integers or all booleans"
        )
    return tuple(labels)


def estimator_answers(estimator: Any, x: NDArray[Any], schema: Schema, **options: Any) -> Answers:
    """Ask an estimator itself, for comparison with the packed model.

    Args:
        estimator: a fitted classifier or regressor.
        x: (n_samples, n_features).
        schema: the schema of the imported model.
        options: further arguments of ``predict`` and ``predict_proba``.

    Returns:
        values: (n_samples, n_columns) as in ``Prediction``.
        positions: (n_samples,) the classes' positions; empty if it is not a classifier.
    """
    labels = estimator.predict(x, **options)
    if schema.kind != "classification":
        return labels.reshape(len(x), -1), NO_CLASSES
    known = {label: position for position, label in enumerate(estimator.classes_.tolist())}
    positions = np.array([known[label] for label in labels.tolist()], np.intp)
    return estimator.predict_proba(x, **options), positions


def booster_answers(
    values: NDArray[Any], schema: Schema, margins: NDArray[Any] | None = None
) -> Answers:
    """Turn the result of a booster's ``predict`` into what ``estimator_answers`` returns.

    Args:
        values: (n_samples,) or (n_samples, n_columns); the probability of the second class if
            there are two, or the classes' numbers if the objective is ``multi:softmax``.
        schema: the schema of the imported model.
        margins: the raw scores; (n_samples, n_classes) if there are several, which give the
            probabilities of ``multi:softmax``.
    """
    values = values.reshape(len(values), -1)
    if schema.kind != "classification":
        return values, NO_CLASSES
    if values.shape[1] == 1 and margins is not None and margins.ndim == 2 and margins.shape[1] > 1:
        powers = np.exp(margins - margins.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True), values[:, 0].astype(np.intp)
    if values.shape[1] == 1:
        values = np.column_stack([1 - values[:, 0], values[:, 0]])
    return values, values.argmax(axis=1)
