"""The description of an endpoint or a job: its state and its hourly cost."""

from collections.abc import Sequence
from typing import Any

from mlserver_forest.aws.endpoint import configuration_look_up, scaling_look_up
from mlserver_forest.aws.naming import PREVIOUS
from mlserver_forest.aws.prices import Prices, prices
from mlserver_forest.aws.resource_kinds import ENDPOINT, Kind, metric_lines
from mlserver_forest.aws.step import Answer, Call, Plan, Step

_NOTHING = "nothing any more"


def detail_steps(kind: Kind, name: str, found: Answer) -> Plan:
    """The calls whose answers ``describe`` needs besides the description; a job needs none.

    Args:
        kind: the kind of endpoint or job.
        name: its name.
        found: its description.
    """
    if kind is not ENDPOINT:
        return ()
    tags = Call("sagemaker", "ListTags", {"ResourceArn": found[ENDPOINT.arn]}, items="Tags")
    return (
        Step(configuration_look_up(found["EndpointConfigName"]), may_be_missing=True),
        Step(scaling_look_up(name), if_refused="autoscaling is unknown"),
        Step(tags, if_refused="tags are unknown"),
    )


def describe(kind: Kind, name: str, found: Answer, details: Sequence[Answer]) -> dict[str, Any]:
    """Describe what it is, its state and what it costs.

    Args:
        kind: the kind of endpoint or job.
        name: its name.
        found: its description.
        details: the answers to ``detail_steps``.
    """
    described = {
        "name": name,
        "kind": kind.noun,
        "status": kind.state(found),
        "failure": found.get("FailureReason", ""),
        "created": found.get("CreationTime"),
        "cost": "",
    }
    parts = _endpoint(found, *details) if kind is ENDPOINT else _job(kind, found)
    return described | parts


def ended(kind: Kind, name: str, listed: Answer) -> dict[str, Any]:
    """Describe a job that has ended, as far as a listing shows it."""
    status = {"status": listed[kind.status], "created": listed.get("CreationTime")}
    return {"name": name, "kind": kind.noun, **status, "cost": _NOTHING}


def _endpoint(found: Answer, config: Answer, scaling: Answer, tags: Answer) -> dict[str, Any]:
    variants = config.get("ProductionVariants", [])
    running = {one["VariantName"]: one for one in found.get("ProductionVariants", [])}
    bounds = [
        f"{one['MinCapacity']} to {one['MaxCapacity']} instances"
        for one in scaling.get("ScalableTargets", [])
    ]
    values = {tag["Key"]: tag["Value"] for tag in tags.get("Tags", [])}
    return {
        "configuration": found["EndpointConfigName"],
        "previous configuration": values.get(PREVIOUS, ""),
        "models": ", ".join(one["ModelName"] for one in variants),
        "autoscaling": ", ".join(bounds),
        "cost": "; ".join(_variant_cost(prices(), one, running) for one in variants),
    }


def _variant_cost(table: Prices, variant: dict[str, Any], running: dict[str, Any]) -> str:
    if "ServerlessConfig" in variant:
        return "serverless: per call"
    now = running.get(variant["VariantName"], {})
    count = now.get("CurrentInstanceCount", variant.get("InitialInstanceCount", 1))
    return table.describe(variant["InstanceType"], count)


def _job(kind: Kind, found: Answer) -> dict[str, Any]:
    definition = found.get("TrainingJobDefinition", found)
    on = definition.get("ResourceConfig") or definition.get("TransformResources") or {}
    cost = _NOTHING
    if on and not kind.has_ended(found):
        cost = prices().describe(on["InstanceType"], on["InstanceCount"])
    return {
        "cost": cost,
        "model": found.get("ModelArtifacts", {}).get("S3ModelArtifacts", "")
        or found.get("ModelName", ""),
        "output": found.get("TransformOutput", {}).get("S3OutputPath", ""),
        "best job": found.get("BestTrainingJob", {}).get("TrainingJobName", ""),
        "metrics": ", ".join(metric_lines(found)),
    }
