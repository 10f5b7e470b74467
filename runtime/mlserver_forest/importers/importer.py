"""A fitted estimator or booster of any library that is registered -> ``Model``."""

from typing import Any

from mlserver_forest.errors import UnsupportedEstimator, format_error
from mlserver_forest.importers import registry
from mlserver_forest.model.model import Model

# What a model raises whose arrays do not fit each other; a library may read it all the same.
_MALFORMED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


def import_estimator(estimator: Any) -> Model:
    """Read a fitted tree ensemble of scikit-learn, XGBoost or LightGBM.

    Args:
        estimator: a fitted estimator, an ``xgboost.Booster`` or a ``lightgbm.Booster``. The
            classes of a booster are 0, 1, ...

    Returns:
        A model that gives the library's own answers: averages of trees and all raw scores to
        the last bit, everything else up to the rounding of ``exp``. Features are named as the
        estimator names them.

    Raises:
        UnsupportedEstimator: naming what came and what can be packed.
    """
    importer = registry.importer_of(estimator)
    if importer is None or not can_import(estimator):
        raise UnsupportedEstimator(_refusal(estimator))
    try:
        return importer.to_model(estimator)
    except _MALFORMED as error:
        raise UnsupportedEstimator(
            f"this {type(estimator).__name__} is not a model as {importer.title} "
            f"{importer.version} makes it ({format_error(error)}); "
            "the file is damaged, or comes from another version"
        ) from error


def can_import(estimator: Any) -> bool:
    """Whether an estimator is of a class that can be packed."""
    importer = registry.importer_of(estimator)
    return importer is not None and type(estimator).__name__ in importer.class_names


def _refusal(estimator: Any) -> str:
    library, name = registry.module_of(estimator), type(estimator).__name__
    importer = registry.importer_of(estimator)
    hint = registry.UNSUPPORTED_LIBRARIES.get(library, "")
    if importer is not None:
        hint = importer.hints.get(name, "")
    known = ", ".join(name for one in registry.IMPORTERS for name in one.class_names)
    return f"{library}'s {name} cannot be packed{hint and '; '}{hint}; expected one of {known}"
