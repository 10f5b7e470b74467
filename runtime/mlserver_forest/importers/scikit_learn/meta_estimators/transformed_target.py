"""TransformedTargetRegressor."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.composition.target_transforms import FUNCTIONS, Inverse, Rescale
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.estimator_part import (
    EstimatorPart,
    ReadMember,
    composed,
    require_regressors,
)
from mlserver_forest.importers.scikit_learn.function_names import name_of_function

# By scaler, the attributes that are the parameters of ``Rescale``.
_SCALERS: Mapping[str, Mapping[str, str]] = {
    "StandardScaler": {"factor": "scale_", "after": "mean_"},
    "MinMaxScaler": {"before": "min_", "divisor": "scale_"},
    "MaxAbsScaler": {"factor": "scale_"},
    "RobustScaler": {"factor": "scale_", "after": "center_"},
}
_NEUTRAL = {"before": 0.0, "factor": 1.0, "divisor": 1.0, "after": 0.0}


def read_transformed_target(estimator: Record, read: ReadMember) -> EstimatorPart:
    """What the regressor predicts, transformed back."""
    member = read(estimator.require("regressor_"))
    require_regressors(estimator, [member])
    transformer = record_of(estimator.require("transformer_"))
    if transformer.name in _SCALERS:
        return composed(estimator, _rescale(transformer, member), [member])
    if transformer.name != "FunctionTransformer":
        raise UnsupportedEstimator(
            f"this {estimator.name} transforms its target by a {transformer.name}, which cannot "
            f"be packed; use a function of NumPy, or one of {', '.join(_SCALERS)}"
        )
    function = transformer.get("inverse_func")
    if function is None:
        return composed(estimator, member.predictor, [member])
    name = name_of_function(function)
    if name not in FUNCTIONS or transformer.get("inv_kw_args"):
        raise UnsupportedEstimator(
            f"this {estimator.name} transforms its target back by the function {name}, which "
            f"cannot be packed; use one of NumPy's {', '.join(FUNCTIONS)}"
        )
    return composed(estimator, Inverse((member.predictor,), name), [member])


def _rescale(scaler: Record, member: EstimatorPart) -> Rescale:
    n_targets = member.predictor.n_value_columns
    found: dict[str, NDArray[np.float64]] = {}
    for parameter, neutral in _NEUTRAL.items():
        attribute = _SCALERS[scaler.name].get(parameter)
        given = None if attribute is None else scaler.get(attribute)
        value = neutral if given is None else np.asarray(given, np.float64)
        found[parameter] = np.broadcast_to(value, n_targets).astype(np.float64)
    return Rescale((member.predictor,), **found)
