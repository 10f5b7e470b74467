"""What is known of the columns and classes of an estimator that is served from its pickle.

scikit-learn keeps the names of a training frame, not its dtypes. So columns are declared as numbers
only if no part of the estimator may take anything else; otherwise they are unknown, and MLServer's
runtime decides what it takes.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.schema.schema import Schema, TargetKind

_UNKNOWN = Schema((), "unknown", datatype="FP64")


def schema_of(estimator: Any, feature_names: tuple[str, ...]) -> Schema:
    """The features and classes of a fitted estimator.

    Args:
        estimator: anything with scikit-learn's ``predict``.
        feature_names: other names for its features, or none.

    Returns:
        A schema of an unknown kind if it names no features, if they may be other than numbers, or
        if its classes are not all strings, all integers or all booleans.
    """
    names = feature_names or tuple(getattr(estimator, "feature_names_in_", ()))
    if not names and hasattr(estimator, "n_features_in_"):
        names = tuple(f"feature_{column}" for column in range(estimator.n_features_in_))
    found = getattr(estimator, "classes_", ())
    if not names or isinstance(found, list):  # Several targets, each with its own classes.
        return _UNKNOWN
    classes: tuple[Any, ...] = tuple(np.asarray(found).tolist())
    usable = {type(label) for label in classes} in ({str}, {int}, {bool}, set())
    is_described = usable and (not classes or hasattr(estimator, "predict_proba"))
    if not is_described or any(_takes_words(part) for part in _parts(estimator)):
        return _UNKNOWN
    kind: TargetKind = "classification" if classes else "regression"
    return Schema(tuple(map(str, names)), kind, classes, "FP64")


def columns_by_name(estimator: Any, feature_names: Sequence[str]) -> tuple[str, ...]:
    """The columns of the frame that an estimator needs, because it picks some by name, or none.

    Args:
        estimator: anything with scikit-learn's ``predict``.
        feature_names: other names for its features, or none.

    Raises:
        UnsupportedEstimator: if it needs others than those given.
    """
    names = tuple(map(str, getattr(estimator, "feature_names_in_", ())))
    if not names or not any(map(_picks_by_name, _parts(estimator))):
        return ()
    if feature_names and tuple(feature_names) != names:
        raise UnsupportedEstimator(
            f"feature names were given, but a {type(estimator).__name__} picks its columns by the "
            f"names of training: {', '.join(names)}; leave --feature-names out"
        )
    return names


def _picks_by_name(part: Any) -> bool:
    """Whether it is a ColumnTransformer whose columns are names, and not positions."""
    chosen = getattr(part, "transformers_", getattr(part, "transformers", ()))
    return any(
        isinstance(column, str)
        for _, _, columns in chosen
        for column in (np.ravel(columns).tolist() if not callable(columns) else ())
    )


def _parts(estimator: Any) -> Iterator[Any]:
    """The estimator, and every estimator in its parameters, such as the steps of a pipeline."""
    yield estimator
    if hasattr(estimator, "get_params"):
        yield from estimator.get_params(deep=True).values()


def _takes_words(part: Any) -> bool:
    """Whether a part may take columns that are not numbers, by scikit-learn's own tags."""
    if hasattr(part, "transformers"):  # A ColumnTransformer picks columns of a frame by name.
        return True
    if np.asarray(getattr(part, "statistics_", 0)).dtype == object:  # An imputer of words.
        return True
    if isinstance(part, type) or not hasattr(part, "__sklearn_tags__"):
        return False
    tags = part.__sklearn_tags__()
    taken = tags.input_tags
    return (
        bool(taken.string or taken.categorical or taken.dict or tags.no_validation)
        or not taken.two_d_array
    )
