"""``forest tune``: training jobs over declared ranges."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.fit.plan import Fit, definition, input_steps
from mlserver_forest.aws.place import checked_name, digest_of, name_from, tags_of
from mlserver_forest.aws.steps import Call, Plan, Step, given
from mlserver_forest.errors import DeploymentError

_SCALES = {
    "": "Auto",
    "log": "Logarithmic",
    "linear": "Linear",
    "reverse-log": "ReverseLogarithmic",
}
_RANGE = re.compile(r"(-?[0-9.]+(?:e-?[0-9]+)?):(-?[0-9.]+(?:e-?[0-9]+)?)(?::([a-z-]+))?")
# Of our metrics, those that are better when smaller; the others are better when larger.
_MINIMIZED = ("log_loss", "rmse", "mae")
# CreateHyperParameterTuningJob takes shorter names than the other jobs.
_LONGEST_NAME = 32


@dataclass(frozen=True)
class Range:
    """One hyperparameter's: choices, or from low to high.

    Attributes:
        words: the choices, or low and high, as text.
        kind: CategoricalParameterRanges, IntegerParameterRanges or ContinuousParameterRanges.
    """

    name: str
    kind: str
    words: tuple[str, ...]
    scale: str = "Auto"

    def request(self) -> dict[str, Any]:
        if self.kind == "CategoricalParameterRanges":
            return {"Name": self.name, "Values": list(self.words)}
        low, high = self.words
        return {
            "Name": self.name,
            "MinValue": low,
            "MaxValue": high,
            "ScalingType": self.scale,
        }


@dataclass(frozen=True)
class Tune:
    """The options of ``forest tune``; ``fit`` says what each job is."""

    fit: Fit
    ranges: tuple[Range, ...]
    objective: str
    strategy: str = "Bayesian"
    max_jobs: int = 20
    max_parallel: int = 2
    early_stopping: bool = True
    seed: int | None = None


def parse_range(text: str) -> Range:
    """NAME=LOW:HIGH[:log] or NAME=A,B,C.

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
    words = (found[1], found[2])
    whole = all(re.fullmatch(r"-?[0-9]+", word) for word in words)
    _check_order(text, words)
    kind = "IntegerParameterRanges" if whole else "ContinuousParameterRanges"
    return Range(name, kind, words, _SCALES[found[3] or ""])


def plan(tune: Tune) -> Plan:
    """Bucket, uploads, tuning job."""
    request = job_request(tune)
    key = "HyperParameterTuningJobName"
    step = Step(
        Call("sagemaker", "CreateHyperParameterTuningJob", request),
        unless=Call("sagemaker", "DescribeHyperParameterTuningJob", {key: request[key]}),
        makes=f"tuning job {request[key]}",
        removed_by=f"forest stop {request[key]}",
    )
    fit = tune.fit
    return (*input_steps(fit.place, fit.inputs, fit.shared.kms_key), step)


def job_request(tune: Tune) -> dict[str, Any]:
    body = {
        "HyperParameterTuningJobConfig": _config(tune),
        "TrainingJobDefinition": _definition(tune),
    }
    digest = digest_of(body)
    name = tune.fit.name or name_from("forest-tune", digest, _LONGEST_NAME)
    return {
        "HyperParameterTuningJobName": checked_name(name, _LONGEST_NAME),
        **body,
        "Tags": tags_of(tune.fit.shared.tags, request=digest),
    }


def samples_of(ranges: Sequence[Range], fixed: Mapping[str, str]) -> list[dict[str, str]]:
    """Hyperparameters at the ranges' ends and at each choice: what can be checked beforehand."""
    longest = max((len(one.words) for one in ranges), default=0)
    return [
        {**fixed, **{one.name: one.words[min(i, len(one.words) - 1)] for one in ranges}}
        for i in range(longest)
    ]


def _config(tune: Tune) -> dict[str, Any]:
    if tune.objective not in {metric["Name"] for metric in tune.fit.metrics}:
        names = ", ".join(metric["Name"] for metric in tune.fit.metrics)
        raise DeploymentError(
            f"--objective {tune.objective!r} is no metric; expected one of {names}"
        )
    direction = "Minimize" if tune.objective.endswith(_MINIMIZED) else "Maximize"
    return given(
        Strategy=tune.strategy,
        HyperParameterTuningJobObjective={"Type": direction, "MetricName": tune.objective},
        ResourceLimits=_limits(tune),
        ParameterRanges=_grouped(tune.ranges),
        TrainingJobEarlyStoppingType="Auto" if tune.early_stopping else "Off",
        RandomSeed=tune.seed,
    )


def _limits(tune: Tune) -> dict[str, int]:
    limits = {"MaxParallelTrainingJobs": tune.max_parallel}
    # A grid has as many jobs as combinations.
    return (
        limits if tune.strategy == "Grid" else limits | {"MaxNumberOfTrainingJobs": tune.max_jobs}
    )


def _definition(tune: Tune) -> dict[str, Any]:
    fit = tune.fit
    body = {**definition(fit), "StaticHyperParameters": dict(fit.hyperparameters)}
    if fit.machines.spot or fit.checkpoints:
        uri = fit.checkpoints or fit.place.uri("checkpoints", digest_of(body))
        body["CheckpointConfig"] = {"S3Uri": uri}
    return given(**body)


def _grouped(ranges: Sequence[Range]) -> dict[str, list[dict[str, Any]]]:
    if not ranges:
        raise DeploymentError("nothing to tune; give at least one -r NAME=LOW:HIGH")
    grouped: dict[str, list[dict[str, Any]]] = {}
    for one in ranges:
        grouped.setdefault(one.kind, []).append(one.request())
    return grouped


def _check_order(text: str, words: tuple[str, str]) -> None:
    try:
        low, high = (float(word) for word in words)
    except ValueError:
        raise DeploymentError(f"-r {text!r}: expected two numbers") from None
    if not low < high:
        raise DeploymentError(f"-r {text!r}: {words[0]} is not below {words[1]}")
