"""Checks that labels and rows suit the hyperparameters, before anything is fitted."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidHyperparameters
from mlserver_forest.insight.conformal import least_rows
from mlserver_forest.training.algorithms.algorithm_hyperparameters import AlgorithmHyperparameters
from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters
from mlserver_forest.training.algorithms.problems import LabelRule
from mlserver_forest.training.config import TRAINING_CHANNELS, VALIDATION_CHANNEL
from mlserver_forest.training.validation.evaluation import HELD_OUT_FRACTION


def require_suitable_labels(
    chosen: Hyperparameters, training: NDArray[Any], validation: NDArray[Any] | None = None
) -> None:
    """Check that objective and metrics accept the labels.

    Args:
        chosen: the hyperparameters.
        training: (n_samples,) positions of classes, or numbers.
        validation: the same of the validation channel, or None without one.

    Raises:
        InvalidHyperparameters: naming the objective or metric and the labels that it needs.
    """
    if not np.issubdtype(training.dtype, np.floating):
        return  # These are positions of classes.
    channels = {TRAINING_CHANNELS[0]: training, VALIDATION_CHANNEL: validation}
    faults = [
        f"{name}={value} needs {rule.description}; those of the {channel} channel range from "
        f"{y.min():g} to {y.max():g}"
        for name, value, rule in _label_rules(chosen.own)
        for channel, y in channels.items()
        if y is not None and len(y) and not _suits(rule, y, learns=y is training)
    ]
    if faults:
        raise InvalidHyperparameters(faults)


def _label_rules(own: AlgorithmHyperparameters) -> Iterator[tuple[str, str, LabelRule]]:
    """Hyperparameters with a value that takes some labels alone: name, value and rule."""
    for name, rules in own.LABELS.items():
        value = getattr(own, name)
        for one in value if isinstance(value, list) else [value]:
            if one in rules:
                yield name, one, rules[one]


def _suits(rule: LabelRule, y: NDArray[Any], *, learns: bool) -> bool:
    y = np.asarray(y, np.float64)
    return bool(rule.allows(y).all()) and (not learns or rule.learns_from(y))


def require_held_out_rows(chosen: Hyperparameters, *, has_validation: bool) -> None:
    """Check that a job whose settings need rows that the model does not learn from holds some out.

    Raises:
        InvalidHyperparameters: naming what to change.
    """
    job, rounds = chosen.job, chosen.early_stopping_rounds
    if has_validation or job.validation_fraction != 0:
        return
    needing = []
    if job.prediction_interval is not None:
        needing.append(f"prediction_interval={job.prediction_interval:g}")
    if job.calibrate is not None:
        needing.append(f"calibrate={job.calibrate}")
    if job.threshold_goal is not None and job.threshold_goal.measure != "number":
        needing.append(f"threshold={job.threshold_goal.text}")
    if rounds is not None:
        needing.append(f"early_stopping_rounds={rounds}")
    faults = [
        f"{setting} needs rows that the model does not learn from, but validation_fraction is 0 "
        "and there is no validation channel: leave validation_fraction out, or give a validation "
        "channel"
        for setting in needing
    ]
    if faults:
        raise InvalidHyperparameters(faults)


def require_rows_to_calibrate(
    chosen: Hyperparameters, n_training: int, n_validation: int | None
) -> None:
    """Check that enough rows are held out for ``prediction_interval``.

    Args:
        chosen: the hyperparameters.
        n_training: the number of rows of the training channel.
        n_validation: the number of rows of the validation channel, or None without one.

    Raises:
        InvalidHyperparameters: naming how many rows there are, and how many are needed.
    """
    level = chosen.job.prediction_interval
    if level is None:
        return
    fraction = chosen.job.validation_fraction or HELD_OUT_FRACTION
    where, found = f"validation_fraction={fraction:g} holds out", math.ceil(n_training * fraction)
    if n_validation is not None:
        where, found = "the validation channel has", n_validation
    if found < least_rows(level):
        fault = (
            f"prediction_interval={level:g} needs {least_rows(level)} rows that the model does not "
            f"learn from; {where} {found}: give more, or choose a smaller prediction_interval"
        )
        raise InvalidHyperparameters([fault])
