"""A fitted estimator or booster of any library that is registered -> ``Model``."""

from typing import Any

from mlserver_forest.errors import UnsupportedEstimator, format_error
from mlserver_forest.importers import registry
from mlserver_forest.importers.fitted_estimator import class_of
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
    """Read a fitted tree ensemble of a library that is registered, or an estimator around some.

    Args:
        estimator: a fitted estimator or booster, or its record. The classes of a booster are 0, 1,
            ...

    Returns:
        A model that gives the library's own answers: averages of trees and all raw scores to
        the last bit, everything else up to the rounding of ``exp``. Features are named as the
        estimator names them.

    Raises:
        UnsupportedEstimator: naming what came and what can be packed.
    """
    importer = registry.require_importer(estimator)
    try:
        return importer.to_model(registry.from_record(estimator))
    except _MALFORMED as error:
        raise UnsupportedEstimator(
            f"this {class_of(estimator)} is not a model as {importer.title} "
            f"{importer.version} makes it ({format_error(error)}); "
            "the file is damaged, or comes from another version"
        ) from error
