"""What exists, in words: an endpoint or a job, or all that this tool made."""

from collections.abc import Iterator
from typing import Any

from mlserver_forest.aws.client import Aws
from mlserver_forest.aws.delete.plan import look_up_scaling
from mlserver_forest.aws.place import OURS, PREVIOUS
from mlserver_forest.aws.prices import Prices, prices
from mlserver_forest.aws.start_job import tags_of
from mlserver_forest.aws.steps import Call
from mlserver_forest.aws.waiter import ENDPOINT, TRAINING, TRANSFORM, TUNING, Kind, state_of


def describe(aws: Aws, kind: Kind, name: str, found: dict[str, Any]) -> dict[str, Any]:
    """One thing: what it is, where it stands, what it costs."""
    described = {
        "name": name,
        "kind": kind.noun,
        "status": state_of(kind, found),
        "failure": found.get("FailureReason", ""),
        "created": found.get("CreationTime"),
        "cost": "",
    }
    if kind is ENDPOINT:
        return described | _endpoint(aws, name, found)
    return described | _job(kind, found)


def list_all(aws: Aws, *, foreign: bool, most_jobs: int) -> Iterator[dict[str, Any]]:
    """Endpoints, jobs, and what would stay when an endpoint goes.

    Args:
        aws: the account.
        foreign: whether also what this tool did not make.
        most_jobs: how many jobs of each kind are looked at, newest first.
    """
    for what, kind in _LISTED.items():
        request: dict[str, Any] = {}
        if kind is not ENDPOINT and kind is not None:
            request = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": most_jobs}
        call = Call("sagemaker", f"List{what}s", request)
        for number, one in enumerate(aws.pages(call, _MEMBERS.get(what, f"{what}s"))):
            if kind not in {ENDPOINT, None} and number >= most_jobs:
                break
            if foreign or _is_ours(aws, one[f"{what}Arn"]):
                yield _listed(aws, what, kind, one)


# What is listed, by SageMaker's words, and what it is to us; None: it costs nothing.
_LISTED: dict[str, Kind | None] = {
    "Endpoint": ENDPOINT,
    "TrainingJob": TRAINING,
    "HyperParameterTuningJob": TUNING,
    "TransformJob": TRANSFORM,
    "EndpointConfig": None,
    "Model": None,
}
_MEMBERS = {
    "TrainingJob": "TrainingJobSummaries",
    "HyperParameterTuningJob": "HyperParameterTuningJobSummaries",
    "TransformJob": "TransformJobSummaries",
}
_NOUNS = {"EndpointConfig": "endpoint configuration", "Model": "model"}


def _listed(aws: Aws, what: str, kind: Kind | None, one: dict[str, Any]) -> dict[str, Any]:
    name, created = one[f"{what}Name"], one.get("CreationTime")
    if kind is None:
        return {"name": name, "kind": _NOUNS[what], "status": "", "created": created, "cost": ""}
    if one[kind.status] in kind.bad | kind.good and kind is not ENDPOINT:
        ended = {"status": one[kind.status], "created": created, "cost": "nothing any more"}
        return {"name": name, "kind": kind.noun, **ended}
    described = describe(aws, kind, name, aws.do(kind.look_up(name)))
    return {key: described[key] for key in ("name", "kind", "status", "created", "cost")}


def _is_ours(aws: Aws, arn: str) -> bool:
    return tags_of(aws, arn).get(OURS[0]) == OURS[1]


def _endpoint(aws: Aws, name: str, found: dict[str, Any]) -> dict[str, Any]:
    request = {"EndpointConfigName": found["EndpointConfigName"]}
    config = aws.find(Call("sagemaker", "DescribeEndpointConfig", request)) or {}
    variants = config.get("ProductionVariants", [])
    running = {one["VariantName"]: one for one in found.get("ProductionVariants", [])}
    scaling = [
        f"{one['MinCapacity']} to {one['MaxCapacity']} instances"
        for one in aws.pages(look_up_scaling(name), "ScalableTargets")
    ]
    return {
        "configuration": found["EndpointConfigName"],
        "previous configuration": tags_of(aws, found["EndpointArn"]).get(PREVIOUS, ""),
        "models": ", ".join(one["ModelName"] for one in variants),
        "autoscaling": ", ".join(scaling),
        "cost": "; ".join(_variant_cost(prices(), one, running) for one in variants),
    }


def _variant_cost(table: Prices, variant: dict[str, Any], running: dict[str, Any]) -> str:
    if "ServerlessConfig" in variant:
        return "serverless: by the call"
    now = running.get(variant["VariantName"], {})
    count = now.get("CurrentInstanceCount", variant.get("InitialInstanceCount", 1))
    return table.in_words(variant["InstanceType"], count)


def _job(kind: Kind, found: dict[str, Any]) -> dict[str, Any]:
    definition = found.get("TrainingJobDefinition", found)
    on = definition.get("ResourceConfig") or definition.get("TransformResources") or {}
    is_running = found[kind.status] not in kind.good | kind.bad
    cost = "nothing any more"
    if is_running and on:
        cost = prices().in_words(on["InstanceType"], on["InstanceCount"])
    best = found.get("BestTrainingJob", {})
    return {
        "cost": cost,
        "model": found.get("ModelArtifacts", {}).get("S3ModelArtifacts", "")
        or found.get("ModelName", ""),
        "output": found.get("TransformOutput", {}).get("S3OutputPath", ""),
        "best job": best.get("TrainingJobName", ""),
        "metrics": ", ".join(
            f"{one['MetricName']}={one['Value']:.6g}"
            for one in found.get("FinalMetricDataList", [])
        ),
    }
