"""LightGBM's boosters and estimators -> ``Model``, and what LightGBM itself answers."""

from typing import Any

from numpy.typing import NDArray

from mlserver_forest.importers.fitted_estimator import (
    Answers,
    boosted_model,
    booster_answers,
    class_of,
    estimator_answers,
)
from mlserver_forest.importers.lightgbm.lightgbm_trees import forest_of
from mlserver_forest.importers.lightgbm.pandas_categories import pandas_categories
from mlserver_forest.importers.saved_booster import SavedBooster
from mlserver_forest.model.model import Model
from mlserver_forest.schema.schema import Schema

_GENERAL = ("Booster", "LGBMModel")
CLASS_NAMES = (*_GENERAL, "LGBMClassifier", "LGBMRegressor", "LGBMRanker")

# See ``Importer.script``.
SCRIPT = """
def load_booster(path):
    import lightgbm
    return lightgbm.Booster(model_file=path)

def ask_booster(booster, x, n_rounds):
    return {"values": booster.predict(x, num_iteration=n_rounds or -1)}
"""


def to_model(estimator: Any) -> Model:
    """Read a fitted estimator, or a booster, whose classes are 0, 1, ..., up to its best round.

    Raises:
        UnsupportedEstimator: naming what cannot be packed.
    """
    booster = _booster_of(estimator)
    text = booster.model_to_string(num_iteration=booster.best_iteration or -1)
    forest, n_classes = forest_of(text)
    names = booster.feature_name()
    is_unnamed = names == [f"Column_{column}" for column in range(len(names))]
    around = None if class_of(estimator) in _GENERAL else estimator
    return boosted_model(
        forest,
        None if is_unnamed else names,
        n_classes,
        around,
        categories=pandas_categories(text),
    )


def answers(estimator: Any, x: NDArray[Any], schema: Schema) -> Answers:
    """Ask the estimator or booster itself; see ``estimator_answers``."""
    if isinstance(estimator, SavedBooster) or class_of(estimator) in _GENERAL:
        return booster_answers(_booster_of(estimator).predict(x), schema)
    return estimator_answers(estimator, x, schema)


def use_all_rounds(booster: Any) -> None:
    """Make a booster forget its best round."""
    booster.best_iteration = -1


def _booster_of(estimator: Any) -> Any:
    if isinstance(estimator, SavedBooster):
        return estimator.booster
    return estimator if class_of(estimator) == "Booster" else estimator.booster_
