"""FixedThresholdClassifier and TunedThresholdClassifierCV."""

from typing import Any

import numpy as np

from mlserver_forest.composition.probabilities import Threshold
from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import GlobalName, Record
from mlserver_forest.importers.scikit_learn.estimator_part import (
    EstimatorPart,
    ReadMember,
    composed,
    require_classifiers,
    require_decision,
)

# The metrics of scikit-learn whose positive class is 1 unless their scorer says otherwise, and
# those that have none, so that it is the second class.
_OF_CLASS_1 = (
    *("f1_score", "fbeta_score", "jaccard_score", "precision_score", "recall_score"),
    *("average_precision_score",),
)
_OF_ALL_CLASSES = ("accuracy_score", "balanced_accuracy_score", "matthews_corrcoef")
_AUTO = {False: 0.5, True: 0.0}


def read_fixed_threshold(estimator: Record, read: ReadMember) -> EstimatorPart:
    """The positive class from a given score on."""
    # An estimator that was fitted before has no estimator_.
    member = read(estimator.get("estimator_") or estimator.require("estimator"))
    by_decision = _is_by_decision(estimator, member)
    given = estimator.require("threshold")
    threshold = _AUTO[by_decision] if given == "auto" else float(given)
    return _cut(estimator, member, threshold, estimator.get("pos_label"), by_decision=by_decision)


def read_tuned_threshold(estimator: Record, read: ReadMember) -> EstimatorPart:
    """The positive class from the score on that suited a metric best."""
    member = read(estimator.require("estimator_"))
    threshold = float(estimator.require("best_threshold_"))
    label = _positive_class(estimator)
    by_decision = _is_by_decision(estimator, member)
    return _cut(estimator, member, threshold, label, by_decision=by_decision)


def _cut(
    estimator: Record, member: EstimatorPart, threshold: float, label: Any, *, by_decision: bool
) -> EstimatorPart:
    require_classifiers(estimator, [member], 2)
    classes = member.classes
    position = 1
    if label is not None and classes is not None:
        found = np.flatnonzero(classes == label)
        if found.size != 1:
            raise UnsupportedEstimator(
                f"this {estimator.name} has the positive class {format_value(label)}, which is "
                "not one of its classes; the file is damaged"
            )
        position = int(found[0])
    cut = Threshold((member.predictor,), threshold, position, by_decision)
    return composed(estimator, cut, [member], classes)


def _is_by_decision(estimator: Record, member: EstimatorPart) -> bool:
    """Whether the decision function is compared; "auto" prefers probabilities."""
    if estimator.get("response_method", "auto") != "decision_function":
        return False
    require_decision(estimator, member)
    return True


def _positive_class(estimator: Record) -> Any:
    """``_BaseScorer._get_pos_label`` of scikit-learn 1.9."""
    scorer = record_of(estimator.require("_curve_scorer"))
    options = scorer.get("_kwargs") or {}
    if "pos_label" in options:
        return options["pos_label"]
    metric = scorer.get("_score_func")
    name = metric.name if isinstance(metric, GlobalName) else getattr(metric, "__name__", "")
    if name in _OF_CLASS_1:
        return 1
    if name in _OF_ALL_CLASSES:
        return None
    raise UnsupportedEstimator(
        f"this {estimator.name} was tuned by {name or 'a metric of its own'}, so it is not known "
        "which class is positive; fit a FixedThresholdClassifier with its best_threshold_"
    )
