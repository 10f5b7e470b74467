"""Checks that labels and rows suit the hyperparameters, before anything is fitted."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidHyperparameters
from mlserver_forest.insight.conformal import least_rows
from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters
from mlserver_forest.training.validation.evaluation import HELD_OUT_FRACTION


def require_suitable_labels(chosen: Hyperparameters, y: NDArray[Any]) -> None:
    """Check that the objective accepts the labels.

    Args:
        chosen: the hyperparameters.
        y: (n_samples,) positions of classes, or numbers.

    Raises:
        InvalidHyperparameters: naming the objective and the labels that it needs.
    """
    faults = []
    for name, rules in chosen.own.LABELS.items():
        value = getattr(chosen.own, name)
        rule = rules.get(value)
        if rule is not None and not rule.allows(np.asarray(y, np.float64)):
            faults.append(
                f"{name}={value} needs {rule.description}; they range from {y.min():g} to "
                f"{y.max():g}"
            )
    if faults:
        raise InvalidHyperparameters(faults)


def require_held_out_rows(chosen: Hyperparameters, *, has_validation: bool) -> None:
    """Check that a job with ``prediction_interval`` holds out rows.

    Raises:
        InvalidHyperparameters: naming what to change.
    """
    job = chosen.job
    if job.prediction_interval is None or has_validation or job.validation_fraction != 0:
        return
    fault = (
        f"prediction_interval={job.prediction_interval:g} needs rows that the model does not learn "
        "from, but validation_fraction is 0 and there is no validation channel: leave "
        "validation_fraction out, or give a validation channel"
    )
    raise InvalidHyperparameters([fault])


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
