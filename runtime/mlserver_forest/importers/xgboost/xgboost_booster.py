"""XGBoost's boosters and estimators -> ``Model``, and what XGBoost itself answers."""

import json
import math
from typing import Any

from numpy.typing import NDArray

from mlserver_forest.importers.fitted_estimator import (
    Answers,
    boosted_model,
    booster_answers,
    class_of,
    estimator_answers,
)
from mlserver_forest.importers.saved_booster import SavedBooster
from mlserver_forest.importers.xgboost.xgboost_trees import forest_of, named_categories
from mlserver_forest.model.model import Model
from mlserver_forest.optional_library import require
from mlserver_forest.schema.schema import Schema

CLASS_NAMES = (
    "Booster",
    "XGBClassifier",
    "XGBRegressor",
    "XGBRanker",
    "XGBRFClassifier",
    "XGBRFRegressor",
)

# See ``Importer.script``; before 1.4, predict knew ntree_limit alone.
SCRIPT = """
def load_booster(path):
    import xgboost
    booster = xgboost.Booster()
    booster.load_model(path)
    return booster

def ask_booster(booster, x, n_rounds):
    import xgboost
    data = xgboost.DMatrix(x, missing=numpy.nan, feature_names=booster.feature_names)
    limits = [{"iteration_range": (0, n_rounds)}, {"ntree_limit": n_rounds}] if n_rounds else [{}]
    for limit in limits:
        try:
            values = booster.predict(data, **limit)
            break
        except TypeError:
            continue
    return {"values": values, "margins": booster.predict(data, output_margin=True, **limit)}
"""


def to_model(estimator: Any) -> Model:
    """Read a fitted estimator, or a booster, whose classes are 0, 1, ...

    XGBoost reads what a sparse matrix leaves out as missing (DMatrix); no other library does.

    Raises:
        UnsupportedEstimator: naming what cannot be packed.
    """
    booster = _booster_of(estimator)
    learner = json.loads(_of_best_iteration(booster).save_raw("json"))["learner"]
    name = class_of(estimator)
    forest, n_classes = forest_of(learner, of_classifier=name.endswith("Classifier"))
    return boosted_model(
        forest,
        booster.feature_names,
        n_classes,
        None if name == "Booster" else estimator,
        absent_is_missing=True,
        missing_number=_missing_number(estimator),
        categories=named_categories(learner),
    )


def answers(estimator: Any, x: NDArray[Any], schema: Schema) -> Answers:
    """Ask the estimator or booster itself; see ``estimator_answers``.

    XGBoost 3.2 does not predict with missing=None, which older versions had by default, so the
    booster of such an estimator is asked.
    """
    has_missing = getattr(estimator, "missing", None) is not None
    if has_missing and not isinstance(estimator, SavedBooster):
        return estimator_answers(estimator, x, schema, validate_features=False)
    require("xgboost", "train")
    import xgboost

    booster = _booster_of(estimator)
    # The booster, rather than the array, says which columns hold categories.
    data = xgboost.DMatrix(
        x,
        missing=_missing_number(estimator),
        feature_names=booster.feature_names,
        feature_types=booster.feature_types,
        enable_categorical=True,
    )
    best = booster.attr("best_iteration")
    rounds = (0, 0) if best is None else (0, int(best) + 1)
    values = booster.predict(data, iteration_range=rounds)
    margins = booster.predict(data, iteration_range=rounds, output_margin=True)
    return booster_answers(values, schema, margins)


def use_all_rounds(booster: Any) -> None:
    """Make a booster forget its best round."""
    booster.set_attr(best_iteration=None)


def _booster_of(estimator: Any) -> Any:
    if isinstance(estimator, SavedBooster):
        return estimator.booster
    return estimator if class_of(estimator) == "Booster" else estimator.get_booster()


def _missing_number(estimator: Any) -> float | None:
    """The number that an estimator reads as missing beside NaN, if there is one."""
    missing = getattr(estimator, "missing", None)
    return None if missing is None or math.isnan(missing) else float(missing)


def _of_best_iteration(booster: Any) -> Any:
    """Without the rounds after the best one: early stopping keeps them, predictions do not."""
    best = booster.attr("best_iteration")
    return booster if best is None else booster[: int(best) + 1]
