"""CalibratedClassifierCV."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.composition.averages import Average
from mlserver_forest.composition.probabilities import Calibrated
from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.estimator_part import (
    EstimatorPart,
    ReadMember,
    composed,
    require_classifiers,
    require_decision,
)

_SIGMOIDS = ("_SigmoidCalibration",)
_TEMPERATURE = "_TemperatureScaling"
_ISOTONIC = "IsotonicRegression"


def read_calibrated_classifier(estimator: Record, read: ReadMember) -> EstimatorPart:
    """The mean over the folds of cross-validation, or one classifier."""
    classes = estimator.array("classes_", 1)
    found = list(map(record_of, estimator.require("calibrated_classifiers_")))
    members = [read(_classifier_of(one)) for one in found]
    require_classifiers(estimator, members, len(classes))
    parts: list[Predictor] = []
    for one, member in zip(found, members, strict=True):
        require_decision(estimator, member)
        parts.append(_calibrated(one, member, len(classes)))
    predictor = parts[0] if len(parts) == 1 else Average(tuple(parts), np.ones(len(parts)))
    return composed(estimator, predictor, members, classes)


def _classifier_of(one: Record) -> Any:
    """The classifier that is calibrated; the attribute was base_estimator before 1.2."""
    return one.get("estimator") or one.require("base_estimator")


def _calibrated(one: Record, member: EstimatorPart, n_classes: int) -> Calibrated:
    # The attribute was calibrators_ before 0.24.
    given = one.get("calibrators") or one.require("calibrators_")
    calibrators = list(map(record_of, given))
    name = calibrators[0].name
    members, by_decision = (member.predictor,), member.has_decision
    if name in _SIGMOIDS:
        slopes = [[float(c.require("a_")), float(c.require("b_"))] for c in calibrators]
        return Calibrated(members, "sigmoid", by_decision, n_classes, slopes=np.array(slopes))
    if name == _TEMPERATURE:
        beta = np.array([[float(calibrators[0].require("beta_"))]])
        return Calibrated(members, "temperature", by_decision, n_classes, slopes=beta)
    if name != _ISOTONIC:
        raise UnsupportedEstimator(f"calibration by a {name} cannot be packed")
    tables = list(map(_table, calibrators))
    starts = np.cumsum([0, *map(len, tables)]).astype(np.uint32)
    table = np.concatenate(tables)
    return Calibrated(members, "isotonic", by_decision, n_classes, table=table, starts=starts)


def _table(isotonic: Record) -> NDArray[Any]:
    """(n, 2) the scores and probabilities; the attributes had other names before 0.24."""
    names = ("X_thresholds_", "y_thresholds_")
    if not isotonic.has(names[0]):
        names = ("_necessary_X_", "_necessary_y_")
    columns = [isotonic.array(name, 1) for name in names]
    if isotonic.get("out_of_bounds") != "clip":
        raise UnsupportedEstimator("an isotonic calibration that does not clip cannot be packed")
    return np.column_stack(columns)
