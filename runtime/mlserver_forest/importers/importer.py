"""A fitted estimator or booster of any library that is registered -> ``Model``."""

from typing import Any

from mlserver_forest.errors import UnsupportedEstimator, format_error
from mlserver_forest.importers import registry
from mlserver_forest.importers.fitted_estimator import class_of, module_of
from mlserver_forest.importers.pickles.record import Record
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
    """Read a fitted tree ensemble of scikit-learn, XGBoost, LightGBM or CatBoost.

    Args:
        estimator: a fitted estimator or its record, an ``xgboost.Booster`` or a
            ``lightgbm.Booster``. The classes of a booster are 0, 1, ...

    Returns:
        A model that gives the library's own answers: averages of trees and all raw scores to
        the last bit, everything else up to the rounding of ``exp``. Features are named as the
        estimator names them.

    Raises:
        UnsupportedEstimator: naming what came and what can be packed.
    """
    importer = registry.importer_of(estimator)
    if importer is None or not can_import(estimator):
        raise UnsupportedEstimator(refusal(estimator))
    try:
        return importer.to_model(from_record(estimator))
    except _MALFORMED as error:
        raise UnsupportedEstimator(
            f"this {class_of(estimator)} is not a model as {importer.title} "
            f"{importer.version} makes it ({format_error(error)}); "
            "the file is damaged, or comes from another version"
        ) from error


def from_record(estimator: Any) -> Any:
    """What an importer takes in the place of a record: the record, or the booster in it.

    Raises:
        UnsupportedEstimator: if the booster cannot be loaded.
    """
    importer = registry.importer_of(estimator)
    if not isinstance(estimator, Record) or importer is None or importer.unpickle is None:
        return estimator
    return importer.unpickle(estimator)


def can_import(estimator: Any) -> bool:
    """Whether an estimator, or its record, is of a class that can be packed."""
    importer = registry.importer_of(estimator)
    return importer is not None and class_of(estimator) in importer.class_names


def refusal(estimator: Any) -> str:
    """The message for an estimator, or its record, that cannot be packed."""
    library, name = module_of(estimator), class_of(estimator)
    importer = registry.importer_of(estimator)
    hint = registry.UNSUPPORTED_LIBRARIES.get(library, "")
    if importer is not None:
        hint = importer.hints.get(name, "")
    known = ", ".join(name for one in registry.IMPORTERS for name in one.class_names)
    return f"{library}'s {name} cannot be packed{hint and '; '}{hint}; expected one of {known}"
