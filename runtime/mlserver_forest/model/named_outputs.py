"""The outputs of an answer, chosen by name and made from a model's V2 outputs.

The names are those of AWS's XGBoost image (its ``SAGEMAKER_INFERENCE_OUTPUT``) and of
SageMaker's built-in algorithms.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.predictions import Column, Predictions
from mlserver_forest.schema.output_names import (
    CONTRIBUTIONS,
    DECISION_FUNCTION,
    EXPECTED_VALUE,
    INSIGHT_DATATYPES,
    INTERVAL,
    OUT_OF_RANGE_FEATURES,
    PREDICT,
    PREDICT_PROBA,
    PREDICTION_SET,
    SCORE_SAMPLES,
)
from mlserver_forest.schema.schema import Schema, TargetKind

Arrays = Mapping[str, Any]
Maker = Callable[[Arrays, Schema], Column]


def default_names(schema: Schema, *, only_first: bool) -> tuple[str, ...]:
    """The outputs of an answer if nobody chooses any: all of them, or the first."""
    names = _DEFAULTS[schema.kind]
    return names[:1] if only_first else names


def check_names(names: Sequence[str], schema: Schema) -> None:
    """Check that the model has these outputs.

    Raises:
        InvalidInput: if it does not, naming those that it has.
    """
    known = _columns(schema)
    for name in names:
        if name not in known:
            again = _AGAIN.get(name, "train or pack it again for that")
            hint = f"; {again}" if name in INSIGHT_DATATYPES else ""
            raise InvalidInput(
                f"output {format_value(name)} was chosen; this model, a {_KINDS[schema.kind]}, has "
                f"{', '.join(known)}{hint}"
            )


def v2_names(names: Sequence[str], schema: Schema) -> tuple[str, ...]:
    """The V2 outputs from which the chosen ones are made."""
    known = _columns(schema)
    return tuple(dict.fromkeys(known[name][0] for name in names))


def predictions(
    names: Sequence[str], arrays: Arrays, schema: Schema, *, selected: bool
) -> Predictions:
    """Make the chosen outputs.

    Args:
        names: the names of the outputs, which ``check_names`` has checked.
        arrays: the model's V2 outputs by name, each (n, width).
        schema: the model's schema, which has the classes.
        selected: whether somebody chose the names; otherwise they are the default.
    """
    known = _columns(schema)
    if schema.kind == "unknown" and not selected and arrays[PREDICT].dtype.kind == "f":
        names = ("score",)
    columns = {name: known[name][1](arrays, schema) for name in names}
    return Predictions(columns, selected, {n: _NAMED[n](schema) for n in names if n in _NAMED})


def _columns(schema: Schema) -> Mapping[str, tuple[str, Maker]]:
    """For each output, the V2 output that it is made from and the function that makes it."""
    return {**_COLUMNS[schema.kind], **{name: (name, _value(name)) for name in schema.insights}}


def _value(output: str) -> Maker:
    """One value for each row, or several if there are several targets."""

    def column(arrays: Arrays, schema: Schema) -> Column:
        array: Column = arrays[output]
        if isinstance(array, np.ndarray) and array.ndim == 2 and array.shape[1] == 1:
            return array[:, 0]
        return array

    return column


def _labels(arrays: Arrays, schema: Schema) -> NDArray[Any]:
    """All classes, for every row."""
    classes = np.array(schema.classes, dtype=object)
    return np.broadcast_to(classes, (len(arrays[PREDICT]), len(classes)))


def _probability(arrays: Arrays, schema: Schema) -> NDArray[Any]:
    """The probability of the second of two classes, or of the predicted class if there are more."""
    probabilities = arrays[PREDICT_PROBA]
    chosen = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities.max(axis=1)
    return np.asarray(chosen)


def _probabilities(arrays: Arrays, schema: Schema) -> NDArray[Any]:
    return np.asarray(arrays[PREDICT_PROBA])


_LABEL = (PREDICT, _value(PREDICT))
_PROBABILITY = (PREDICT_PROBA, _probability)
_PROBABILITIES = (PREDICT_PROBA, _probabilities)
# In AWS's image, a raw score is what the booster predicts: for classifiers with probabilities,
# the probabilities (algorithm_mode/serve_utils.py).
_COLUMNS: Mapping[TargetKind, Mapping[str, tuple[str, Maker]]] = {
    "classification": {
        "predicted_label": _LABEL,
        "labels": (PREDICT, _labels),
        "probability": _PROBABILITY,
        "probabilities": _PROBABILITIES,
        "raw_score": _PROBABILITY,
        "raw_scores": _PROBABILITIES,
    },
    "regression": {"predicted_score": _LABEL, "score": _LABEL},
    "anomaly_detection": {
        "predicted_label": _LABEL,
        "labels": (PREDICT, _labels),
        SCORE_SAMPLES: (SCORE_SAMPLES, _value(SCORE_SAMPLES)),
        DECISION_FUNCTION: (DECISION_FUNCTION, _value(DECISION_FUNCTION)),
    },
    "unknown": {"predicted_label": _LABEL, "score": _LABEL, "predicted_score": _LABEL},
}
_DEFAULTS: Mapping[TargetKind, tuple[str, ...]] = {
    "classification": ("predicted_label", "probabilities"),
    "regression": ("score",),
    "anomaly_detection": ("predicted_label", SCORE_SAMPLES, DECISION_FUNCTION),
    "unknown": ("predicted_label",),
}
_KINDS: Mapping[TargetKind, str] = {
    "classification": "classification",
    "regression": "regression",
    "anomaly_detection": "anomaly detector",
    "unknown": "model of a foreign runtime",
}
_AGAIN: Mapping[str, str] = {
    **dict.fromkeys(
        (INTERVAL, PREDICTION_SET), "train it again with prediction_interval=0.9 for that"
    ),
    **dict.fromkeys(
        (CONTRIBUTIONS, EXPECTED_VALUE),
        "votes, averages of probabilities and models without covers have none "
        "(docs/explanations.md); train or pack others again for that",
    ),
}
_NAMED: Mapping[str, Callable[[Schema], Sequence[Any]]] = {
    CONTRIBUTIONS: lambda schema: schema.feature_names,
    OUT_OF_RANGE_FEATURES: lambda schema: schema.feature_names,
    PREDICTION_SET: lambda schema: schema.classes,
}
ALL_NAMES = tuple(
    dict.fromkeys([*(name for known in _COLUMNS.values() for name in known), *INSIGHT_DATATYPES])
)
