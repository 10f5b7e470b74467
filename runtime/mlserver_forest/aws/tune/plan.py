"""``forest tune``: a tuning job, which runs training jobs over declared ranges.

Its steps are those of ``forest fit`` with another job at the end.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mlserver_forest.aws.existing import Existing
from mlserver_forest.aws.fit.plan import Fit, checkpoints, definition, identity_of
from mlserver_forest.aws.naming import name_from, name_with_end
from mlserver_forest.aws.resource_kinds import TUNING
from mlserver_forest.aws.sagemaker_job import SageMakerJob, find_job
from mlserver_forest.aws.step import members
from mlserver_forest.errors import DeploymentError

_SCALES = {
    "": "Auto",
    "log": "Logarithmic",
    "linear": "Linear",
    "reverse-log": "ReverseLogarithmic",
}
_RANGE = re.compile(r"(-?[0-9.]+(?:e-?[0-9]+)?):(-?[0-9.]+(?:e-?[0-9]+)?)(?::([a-z-]+))?")
# Metrics with these endings are better if smaller; all others are better if larger.
_MINIMIZED = ("log_loss", "rmse", "mae")
# CreateHyperParameterTuningJob accepts shorter names than other jobs.
LONGEST_NAME = 32


@dataclass(frozen=True)
class Range:
    """The values that one hyperparameter may take: choices, or a range from low to high.

    Attributes:
        name: the hyperparameter.
        values: the choices, or the low and the high end, as text.
        kind: CategoricalParameterRanges, IntegerParameterRanges or ContinuousParameterRanges.
        scale: the ScalingType of a range.
    """

    name: str
    kind: str
    values: tuple[str, ...]
    scale: str = "Auto"

    def request(self) -> dict[str, Any]:
        """The members of one parameter range."""
        if self.kind == "CategoricalParameterRanges":
            return {"Name": self.name, "Values": list(self.values)}
        low, high = self.values
        return {
            "Name": self.name,
            "MinValue": low,
            "MaxValue": high,
            "ScalingType": self.scale,
        }


@dataclass(frozen=True)
class Tune:
    """The options of ``forest tune``.

    Attributes:
        fit: the options of each training job.
        ranges: a range for each hyperparameter that varies.
        objective: the name of the metric to optimize.
        max_jobs, max_parallel: the number of training jobs, in all and at a time.
    """

    fit: Fit
    ranges: tuple[Range, ...]
    objective: str
    strategy: str = "Bayesian"
    max_jobs: int = 20
    max_parallel: int = 2
    early_stopping: bool = True
    seed: int | None = None


def parse_range(text: str) -> Range:
    """Parse NAME=LOW:HIGH[:log] or NAME=A,B,C.

    Raises:
        DeploymentError: if it is neither.
    """
    name, equals, rest = text.partition("=")
    if not name or not equals or not rest:
        raise DeploymentError(
            f"-r {text!r}: expected NAME=LOW:HIGH, NAME=LOW:HIGH:log or NAME=A,B,C"
        )
    if ":" not in rest:
        return Range(name, "CategoricalParameterRanges", tuple(rest.split(",")))
    found = _RANGE.fullmatch(rest)
    if not found or (found[3] or "") not in _SCALES:
        scales = ", ".join(scale for scale in _SCALES if scale)
        raise DeploymentError(f"-r {text!r}: expected two numbers, and perhaps one of {scales}")
    ends = (found[1], found[2])
    whole = all(re.fullmatch(r"-?[0-9]+", end) for end in ends)
    _check_ascending(text, ends)
    kind = "IntegerParameterRanges" if whole else "ContinuousParameterRanges"
    return Range(name, kind, ends, _SCALES[found[3] or ""])


def find_tuning_job(tune: Tune, existing: Existing) -> SageMakerJob:
    """Find the job that the same options created before, or plan a new one."""
    return find_job(existing, TUNING, partial(job_request, tune), again=False)


def job_request(tune: Tune, end: str = "") -> dict[str, Any]:
    """CreateHyperParameterTuningJob's request, whose name contains its digest unless it was chosen.

    Args:
        tune: the options.
        end: the end of the name, such as ``-2`` if an earlier job of this name has failed.
    """
    fit = tune.fit
    config = _config(tune)
    training = {**definition(fit), "StaticHyperParameters": dict(fit.hyperparameters)}
    identity = identity_of(fit, {"config": config, "training": training})
    name = fit.name or name_from("forest-tune", identity.digest, LONGEST_NAME)
    return {
        "HyperParameterTuningJobName": name_with_end(name, end, LONGEST_NAME),
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": members(**training, **checkpoints(fit, identity)),
        "Tags": identity.tags(fit.infrastructure.tags),
    }


def samples_of(ranges: Sequence[Range], fixed: Mapping[str, str]) -> list[dict[str, str]]:
    """Hyperparameters at both ends of all ranges and at each choice, to be checked in advance."""
    longest = max((len(one.values) for one in ranges), default=0)
    return [
        {**fixed, **{one.name: one.values[min(i, len(one.values) - 1)] for one in ranges}}
        for i in range(longest)
    ]


def _config(tune: Tune) -> dict[str, Any]:
    if tune.objective not in {metric["Name"] for metric in tune.fit.metrics}:
        names = ", ".join(metric["Name"] for metric in tune.fit.metrics)
        raise DeploymentError(
            f"--objective {tune.objective!r} is not a metric; expected one of {names}"
        )
    direction = "Minimize" if tune.objective.endswith(_MINIMIZED) else "Maximize"
    return members(
        Strategy=tune.strategy,
        HyperParameterTuningJobObjective={"Type": direction, "MetricName": tune.objective},
        ResourceLimits=_limits(tune),
        ParameterRanges=_grouped(tune.ranges),
        TrainingJobEarlyStoppingType="Auto" if tune.early_stopping else "Off",
        RandomSeed=tune.seed,
    )


def _limits(tune: Tune) -> dict[str, int]:
    limits = {"MaxParallelTrainingJobs": tune.max_parallel}
    # A grid has as many jobs as there are combinations.
    return (
        limits if tune.strategy == "Grid" else limits | {"MaxNumberOfTrainingJobs": tune.max_jobs}
    )


def _grouped(ranges: Sequence[Range]) -> dict[str, list[dict[str, Any]]]:
    if not ranges:
        raise DeploymentError("there is nothing to tune; give at least one -r NAME=LOW:HIGH")
    grouped: dict[str, list[dict[str, Any]]] = {}
    for one in ranges:
        grouped.setdefault(one.kind, []).append(one.request())
    return grouped


def _check_ascending(text: str, ends: tuple[str, str]) -> None:
    try:
        low, high = map(float, ends)
    except ValueError:
        raise DeploymentError(f"-r {text!r}: expected two numbers") from None
    if not low < high:
        raise DeploymentError(f"-r {text!r}: {ends[0]} is not below {ends[1]}")
