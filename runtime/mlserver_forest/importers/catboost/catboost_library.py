"""CatBoost itself, asked for answers if it is installed."""

import json
from functools import partial
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator, format_error
from mlserver_forest.importers.catboost.catboost_model import CONTENT, is_cbm, version_of
from mlserver_forest.importers.fitted_estimator import Answers
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.optional_library import is_installed
from mlserver_forest.schema.schema import Schema

_NO_CLASSES = np.empty(0, np.intp)


def restore(record: Record) -> Any:
    """The model of a record, or None if the CatBoost that wrote it is not installed.

    A model with categories is not restored, because it could not be asked.
    """
    if not is_installed("catboost"):
        return None
    import catboost

    if version_of(record) != catboost.__version__:
        return None
    content = bytes(record.require(CONTENT))
    model = catboost.CatBoost()
    with NamedTemporaryFile() as file:  # CatBoost reads JSON from a file only.
        file.write(content)
        file.flush()
        try:
            model.load_model(file.name, format="cbm" if is_cbm(content) else "json")
        except catboost.CatBoostError as error:
            raise UnsupportedEstimator(
                f"CatBoost {catboost.__version__} cannot read the model: {format_error(error)}"
            ) from error
    return model if can_be_asked(model) else None


def can_be_asked(estimator: Any) -> bool:
    """Whether a model takes the rows; CatBoost reads the words of categories, not their hashes."""
    return not estimator.get_cat_feature_indices()


def answers(estimator: Any, x: NDArray[Any], schema: Schema) -> Answers:
    """Ask a model itself, with the prediction type that its loss function has.

    Args:
        estimator: a ``catboost.CatBoost``.
        x: (n_samples, n_features) float32.
        schema: the schema of the imported model.

    Returns:
        As ``fitted_estimator.estimator_answers``.
    """
    import catboost

    # A ranker's own method does not take the type.
    predict = partial(catboost.CatBoost.predict, estimator)
    if schema.classes:
        labels = predict(x, prediction_type="Class").reshape(-1)
        known = {label: position for position, label in enumerate(schema.classes)}
        found = [known[_label(label, schema)] for label in labels.tolist()]
        values = predict(x, prediction_type="Probability")
        return values, np.array(found, np.intp)
    kind = "Exponent" if _is_exponential(estimator) else "RawFormulaVal"
    values = predict(x, prediction_type=kind)
    return values.reshape(len(x), -1), _NO_CLASSES


def _label(label: Any, schema: Schema) -> Any:
    """A label in the type that the schema has; CatBoost gives texts or floats for some."""
    kind = type(schema.classes[0])
    if kind is bool and isinstance(label, str):
        return label == "True"
    return int(float(label)) if kind is int else kind(label)


def _is_exponential(estimator: Any) -> bool:
    params = json.loads(estimator.get_metadata()["params"])
    return params["loss_function"]["type"] in {"Poisson", "Tweedie"}
