"""What the sums of a CatBoost model mean: probabilities of labels, or numbers.

catboost/libs/model/eval_processing.h and ``_get_default_prediction_type`` in
catboost/python-package/catboost/core.py, of CatBoost 1.2.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.catboost.description import ModelDescription
from mlserver_forest.importers.catboost.flat_buffers import damaged
from mlserver_forest.importers.fitted_estimator import labels_of
from mlserver_forest.schema.schema import Label

_TWO_CLASSES = frozenset({"Logloss", "CrossEntropy", "Focal"})
_SEVERAL_CLASSES: Mapping[str, str] = {
    "MultiClass": "softmax_of_sums",
    "MultiClassOneVsAll": "multiclass_ova_of_sums",
}
_EXPONENTIAL = frozenset({"Poisson", "Tweedie"})
# The revision of CatBoost 0.23.0; before, ``predict`` gave the sums of Poisson models.
_FIRST_EXPONENTIAL = 6_694_320
_SUMS = frozenset(
    {
        *("RMSE", "MAE", "Quantile", "MultiQuantile", "LogLinQuantile", "Lq", "MAPE", "Huber"),
        *("Expectile", "LogCosh", "MultiRMSE", "MultiRMSEWithMissingValues", "GroupQuantile"),
        *("SurvivalAft", "Cox", "QueryRMSE", "QuerySoftMax", "QueryCrossEntropy", "PairLogit"),
        *("PairLogitPairwise", "YetiRank", "YetiRankPairwise", "LambdaMart", "StochasticRank"),
        *("StochasticFilter", "UserQuerywiseMetric", "UserPerObjMetric"),
    }
)
_INSTEAD: Mapping[str, str] = {
    "MultiLogloss": "train one model for each label",
    "MultiCrossEntropy": "train one model for each label",
    "RMSEWithUncertainty": "train with RMSE, or with MultiQuantile for an interval",
}


@dataclass(frozen=True)
class Objective:
    """What is made of the sums.

    Attributes:
        postprocessor: turns them into predictions.
        classes: the labels in the order of the probabilities; empty for a regression.
    """

    postprocessor: Postprocessor
    classes: tuple[Label, ...] = ()


def objective_of(model: ModelDescription) -> Objective:
    """The objective that a model was trained for.

    Raises:
        UnsupportedEstimator: if its answers are neither numbers nor one label.
    """
    name = _loss(model.parameters)
    if name in _TWO_CLASSES:
        _expect_outputs(model, 1, name)
        offset = _logit(model.threshold)
        post = Postprocessor("binary_above_offset", offset=offset)
        return Objective(post, _labels(model, 2))
    if name in _SEVERAL_CLASSES:
        return Objective(Postprocessor(_SEVERAL_CLASSES[name]), _labels(model, model.n_outputs))
    if name in _EXPONENTIAL and not model.is_before(_FIRST_EXPONENTIAL):
        return Objective(Postprocessor("exponential"))
    if name in {*_SUMS, *_EXPONENTIAL}:
        return Objective(Postprocessor("identity"))
    known = ", ".join(sorted({*_TWO_CLASSES, *_SEVERAL_CLASSES, *_EXPONENTIAL, *_SUMS}))
    instead = _INSTEAD.get(name, f"expected one of {known}")
    raise UnsupportedEstimator(
        f"a CatBoost model with the loss function {name[:60]} cannot be packed; {instead}"
    )


def _loss(parameters: Mapping[str, Any]) -> str:
    found = parameters.get("loss_function")
    name = found.get("type") if isinstance(found, dict) else None
    if not isinstance(name, str):
        raise UnsupportedEstimator(
            "this CatBoost model does not name its loss function, so that the meaning of its "
            "sums is not known; it was summed up or converted from others: train it whole"
        )
    return name


def _labels(model: ModelDescription, n_classes: int) -> tuple[Label, ...]:
    """The labels in the order of the model's outputs; 0, 1, ... if it does not name any."""
    found = model.class_parameters
    options = model.parameters.get("data_processing_options")
    listed = options.get("class_names") if isinstance(options, dict) else None
    names = found.get("class_names") or listed or found.get("class_to_label")
    if not isinstance(names, list) or not names:
        names = list(range(n_classes))
    if len(names) != n_classes:
        raise damaged(f"it has {len(names)} labels for {n_classes} classes")
    if "class_label_type" not in found:
        names = _numbers(names)
    return labels_of("CatBoost model", np.array(names))


def _numbers(names: list[Any]) -> list[Any]:
    """Labels as CatBoost before 0.22 gave them: as numbers if all their texts are numbers."""
    try:
        return [float(name) for name in names]
    except (TypeError, ValueError):
        return names


def _expect_outputs(model: ModelDescription, n_outputs: int, name: str) -> None:
    if model.n_outputs != n_outputs:
        raise damaged(f"it has {model.n_outputs} outputs for the loss function {name}")


def _logit(probability: float) -> float:
    if not 0 < probability < 1:
        raise damaged("its threshold is not between 0 and 1")
    return -math.log(1 / probability - 1)
