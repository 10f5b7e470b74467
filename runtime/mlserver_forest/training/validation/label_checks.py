"""What an algorithm cannot be fitted on, said before it is."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidHyperparameters
from mlserver_forest.insight.conformal import least_rows
from mlserver_forest.training.algorithms import Hyperparameters
from mlserver_forest.training.validation.evaluation import HELD_OUT_FRACTION

_Check = Callable[[NDArray[np.float64]], bool]


def _are_counts(y: NDArray[np.float64]) -> bool:
    return bool(y.min() >= 0 and y.sum() > 0)


def _are_positive(y: NDArray[np.float64]) -> bool:
    return bool(y.min() > 0)


def _are_probabilities(y: NDArray[np.float64]) -> bool:
    return bool(y.min() >= 0 and y.max() <= 1 and 0 < y.mean() < 1)


_COUNTS = (_are_counts, "labels of 0 or more, not all 0")
_POSITIVE = (_are_positive, "labels above 0")
_PROBABILITIES = (_are_probabilities, "labels from 0 to 1, neither all 0 nor all 1")
# Of a regression: what is made small -> the labels it takes.
_LABELS: Mapping[str, tuple[_Check, str]] = {
    **dict.fromkeys(("poisson", "count:poisson", "tweedie", "reg:tweedie"), _COUNTS),
    **dict.fromkeys(("gamma", "reg:gamma"), _POSITIVE),
    **dict.fromkeys(("reg:logistic", "cross_entropy"), _PROBABILITIES),
    "reg:squaredlogerror": (lambda y: bool(y.min() > -1), "labels above -1"),
}


def require_suitable_labels(chosen: Hyperparameters, y: NDArray[Any]) -> None:
    """Check that what is to be predicted is such as the objective takes.

    Args:
        chosen: the hyperparameters.
        y: (n_samples,) positions of classes, or numbers.

    Raises:
        InvalidHyperparameters: naming what does not suit, and what does.
    """
    faults = _of_labels(chosen, y)
    if faults:
        raise InvalidHyperparameters(faults)


def require_held_out_rows(chosen: Hyperparameters, *, has_validation: bool) -> None:
    """Check that a model that shall tell how sure it is will be tried on rows.

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
    """Check that enough rows will be held out to learn ``prediction_interval`` from.

    Args:
        chosen: the hyperparameters.
        n_training: rows of the training channel.
        n_validation: rows of the validation channel, or None without one.

    Raises:
        InvalidHyperparameters: naming how many there are, and how many it takes.
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


def _of_labels(chosen: Hyperparameters, y: NDArray[Any]) -> list[str]:
    faults = []
    for name in ("criterion", "loss", "objective"):
        value = getattr(chosen.algorithm, name, None)
        suits, needed = _LABELS.get(str(value), (None, ""))
        if suits is not None and not suits(np.asarray(y, np.float64)):
            faults.append(f"{name}={value} needs {needed}; they go from {y.min():g} to {y.max():g}")
    return faults
