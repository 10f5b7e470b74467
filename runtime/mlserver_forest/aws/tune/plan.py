"""``forest tune``: a tuning job, which runs training jobs over declared ranges.

Its steps are those of ``forest fit`` with another job at the end.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
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
_NUMBER = r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
_RANGE = re.compile(rf"{_NUMBER}:{_NUMBER}(?::([a-z-]+))?")
# Metrics with these endings are better if smaller; all others are better if larger.
_MINIMIZED = ("log_loss", "rmse", "mae")
# CreateHyperParameterTuningJob accepts shorter names than other jobs.
LONGEST_NAME = 32
MAX_JOBS = 20


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
    max_jobs: int = MAX_JOBS
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
        choices = tuple(rest.split(","))
        if not all(choices) or len(set(choices)) < len(choices):
            raise DeploymentError(f"-r {text!r}: expected different choices, none of them empty")
        return Range(name, "CategoricalParameterRanges", choices)
    found = _RANGE.fullmatch(rest)
    if not found or (found[3] or "") not in _SCALES:
        scales = ", ".join(scale for scale in _SCALES if scale)
        raise DeploymentError(f"-r {text!r}: expected two numbers, and perhaps one of {scales}")
    ends = (found[1], found[2])
    whole = all(re.fullmatch(r"[+-]?[0-9]+", end) for end in ends)
    _check_ends(text, ends, found[3] or "", whole=whole)
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
    config = search_request(tune)
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
    """Hyperparameters at both ends and in the middle of all ranges, and at each choice.

    They are checked in advance. The middle of a range of numbers with a point is no whole number.
    """
    values = [(*one.values, *_middle(one)) for one in ranges]
    longest = max(map(len, values), default=0)
    return [
        {
            **fixed,
            **{
                one.name: some[min(i, len(some) - 1)]
                for one, some in zip(ranges, values, strict=True)
            },
        }
        for i in range(longest)
    ]


def _middle(one: Range) -> tuple[str, ...]:
    if one.kind != "ContinuousParameterRanges":
        return ()
    low, high = map(float, one.values)
    return (repr(low + (high - low) / 3**0.5),)


def check_objective(objective: str, metrics: Sequence[Mapping[str, str]]) -> None:
    """Check that training measures the objective.

    Raises:
        DeploymentError: if it does not.
    """
    names = [metric["Name"] for metric in metrics]
    if objective not in names:
        raise DeploymentError(
            f"--objective {objective!r} is not a metric; expected one of {', '.join(names)}"
        )


def is_minimized(metric: str) -> bool:
    """Whether smaller values of a metric are better."""
    return metric.endswith(_MINIMIZED)


def search_request(tune: Tune) -> dict[str, Any]:
    """The member HyperParameterTuningJobConfig."""
    direction = "Minimize" if is_minimized(tune.objective) else "Maximize"
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


def _check_ends(text: str, ends: tuple[str, str], scale: str, *, whole: bool) -> None:
    """Check what CreateHyperParameterTuningJob requires of a range and its scale."""
    low, high = map(float, ends)
    if not low < high or high == float("inf"):
        raise DeploymentError(f"-r {text!r}: {ends[0]} is not below {ends[1]}")
    if scale == "log" and low <= 0:
        raise DeploymentError(f"-r {text!r}: a log scale needs a low end above 0")
    if scale == "reverse-log" and (whole or low < 0 or high >= 1):
        raise DeploymentError(
            f"-r {text!r}: a reverse-log scale needs numbers from 0 to below 1, with a point"
        )


def check_search(
    search: Mapping[str, Any], ranges: Sequence[Range], fixed: Collection[str]
) -> None:
    """Refuse what SageMaker refuses, before anything is looked up or uploaded.

    Args:
        search: the options max_jobs (None if it was not given), max_parallel and strategy.
        ranges: what varies.
        fixed: the names of the hyperparameters that do not.

    Raises:
        DeploymentError: naming the options.
    """
    names = [one.name for one in ranges]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DeploymentError(f"-r {', '.join(twice)}: given twice; a hyperparameter has one range")
    both = sorted(set(names) & set(fixed))
    if both:
        raise DeploymentError(
            f"{', '.join(both)}: given by -r and by -p; a hyperparameter varies or is fixed"
        )
    most, parallel = search["max_jobs"], search["max_parallel"]
    if search["strategy"] == "Grid":
        _check_grid(ranges, most)
        most = prod(len(one.values) for one in ranges)
    elif most is None:
        most = MAX_JOBS
    if parallel > most:
        raise DeploymentError(
            f"--max-parallel {parallel} is more than the {most} training jobs in all "
            f"(--max-jobs, or a grid's combinations); add --max-parallel {most}"
        )


def _check_grid(ranges: Sequence[Range], most: int | None) -> None:
    numbers = [one for one in ranges if one.kind != "CategoricalParameterRanges"]
    if numbers:
        one = numbers[0]
        raise DeploymentError(
            f"-r {one.name}={':'.join(one.values)}: --strategy Grid tries choices, not ranges; "
            f"expected such as -r {one.name}={','.join(one.values)}"
        )
    combinations = prod(len(one.values) for one in ranges)
    if most not in {None, combinations}:
        raise DeploymentError(
            f"--max-jobs {most}: --strategy Grid runs all {combinations} combinations; leave it out"
        )
