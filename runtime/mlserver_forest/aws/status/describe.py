"""The description of an endpoint or a job: its state and its hourly cost."""

from collections.abc import Sequence
from typing import Any

from mlserver_forest.aws.endpoint import configuration_look_up, variant_names
from mlserver_forest.aws.history import read_history
from mlserver_forest.aws.prices import Prices, prices
from mlserver_forest.aws.resource_kinds import ENDPOINT, Kind, metric_lines
from mlserver_forest.aws.scaling import Scaling, policies_look_up, scalable_target, targets_look_up
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
        Step(tags),
        *scaling_steps_of(name, variant_names(found)),
    )


def scaling_steps_of(name: str, variants: Sequence[str]) -> Plan:
    """The look-ups of an endpoint's autoscaling, without which it can be described."""
    resource = scalable_target(name, variants[0])["ResourceId"]
    return tuple(
        Step(call, if_refused="autoscaling is not shown")
        for call in (targets_look_up(name, variants), policies_look_up(resource))
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


def _endpoint(
    found: Answer, config: Answer, tags: Answer, targets: Answer, policies: Answer
) -> dict[str, Any]:
    variants = config.get("ProductionVariants", [])
    running = {one["VariantName"]: one for one in found.get("ProductionVariants", [])}
    values = {tag["Key"]: tag["Value"] for tag in tags.get("Tags", [])}
    present = found["EndpointConfigName"]
    scaling = Scaling(
        tuple(targets.get("ScalableTargets", ())), tuple(policies.get("ScalingPolicies", ()))
    )
    earlier = read_history(values, present).kept
    wakes = [f"from none by alarm {one}" for one in scaling.alarms()]
    return {
        "configuration": present,
        "previous configuration": earlier[0] if earlier else "",
        "earlier configurations": ", ".join(earlier[1:]),
        "models": ", ".join(one.get("ModelName", "inference components") for one in variants),
        "autoscaling": ", ".join([scaling.describe(), *wakes] if scaling.targets else []),
        "cost": "; ".join(_variant_cost(prices(), one, running) for one in variants),
    }


def _variant_cost(table: Prices, variant: dict[str, Any], running: dict[str, Any]) -> str:
    if "ServerlessConfig" in variant:
        return "serverless: per call"
    now = running.get(variant["VariantName"], {})
    count = now.get("CurrentInstanceCount", variant.get("InitialInstanceCount", 1))
    if "InstanceType" not in variant:
        return f"{count} instances, whose type is not in the configuration: cost unknown"
    return table.describe(variant["InstanceType"], count)


def _job(kind: Kind, found: Answer) -> dict[str, Any]:
    definition = found.get("TrainingJobDefinition", found)
    on = definition.get("ResourceConfig") or definition.get("TransformResources") or {}
    cost = _NOTHING if kind.has_ended(found) or not on else _job_cost(on)
    return {
        "cost": cost,
        "model": found.get("ModelArtifacts", {}).get("S3ModelArtifacts", "")
        or found.get("ModelName", ""),
        "output": found.get("TransformOutput", {}).get("S3OutputPath", ""),
        "best job": found.get("BestTrainingJob", {}).get("TrainingJobName", ""),
        "metrics": ", ".join(metric_lines(found)),
    }


def _job_cost(on: Answer) -> str:
    """The cost of a job, whose instances may be of one type, or of several in groups."""
    groups = on.get("InstanceGroups") or [on]
    known = [one for one in groups if "InstanceType" in one]
    costs = (prices().describe(one["InstanceType"], one.get("InstanceCount", 1)) for one in known)
    return "; ".join(costs) or "unknown"
