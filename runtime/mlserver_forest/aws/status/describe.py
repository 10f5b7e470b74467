"""The description of an endpoint or a job: its state and its hourly cost.

Resources of other tools have shapes of their own, such as inference components, instance groups and
several variants. What cannot be told is left out or said in words.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlserver_forest.aws.endpoint import configuration_look_up, scaling_look_up
from mlserver_forest.aws.naming import PREVIOUS
from mlserver_forest.aws.prices import prices
from mlserver_forest.aws.resource_kinds import ENDPOINT, Kind, metric_lines
from mlserver_forest.aws.step import Answer, Call, Plan, Step

_NOTHING = "nothing any more"
_NOT_KNOWN = "cost per hour unknown"


def detail_steps(kind: Kind, name: str, found: Answer) -> Plan:
    """The calls whose answers ``describe`` needs besides the description; a job needs none.

    A permission for one of them that is missing is told, and the rest is shown.

    Args:
        kind: the kind of endpoint or job.
        name: its name.
        found: its description.
    """
    if kind is not ENDPOINT:
        return ()
    configuration = str(found.get("EndpointConfigName", ""))
    tags = Call("sagemaker", "ListTags", {"ResourceArn": found[ENDPOINT.arn]}, items="Tags")
    refused = {
        "the instances and models": configuration_look_up(configuration),
        "the autoscaling": scaling_look_up(name),
        "the previous configuration": tags,
    }
    return tuple(
        Step(call, may_be_missing=True, if_refused=f"{what} of {name}: not known")
        for what, call in refused.items()
    )


def describe(kind: Kind, name: str, found: Answer, details: Sequence[Answer]) -> dict[str, Any]:
    """Describe what it is, its state and what it costs.

    Args:
        kind: the kind of endpoint or job.
        name: its name.
        found: its description.
        details: the answers to ``detail_steps``; empty ones are unknown.
    """
    described = {
        "name": name,
        "kind": kind.noun,
        "status": listed_state(kind, found),
        "failure": found.get("FailureReason", ""),
        "created": found.get("CreationTime"),
        "cost": cost_of(kind, found, details[:1]),
    }
    return described | (_endpoint(found, *details) if kind is ENDPOINT else _job(found))


def listed_state(kind: Kind, found: Answer) -> str:
    """The state in a description or in an item of a listing, as text."""
    return kind.state(found) if kind.status in found else "unknown"


def cost_of(kind: Kind, found: Answer, configuration: Sequence[Answer]) -> str:
    """What it costs per hour now, as text.

    Args:
        kind: the kind of endpoint or job.
        found: its description; for a job that has ended, an item of a listing is enough.
        configuration: the endpoint's configuration; empty for a job, or if it is unknown.
    """
    if kind.is_job and kind.has_ended(found):
        return _NOTHING
    if kind.is_job:
        costs = [prices().describe(*one) for one in _instances(found)]
    else:
        running = {one.get("VariantName"): one for one in found.get("ProductionVariants", [])}
        variants = [one for answer in configuration for one in _variants(answer)]
        costs = [_variant_cost(one, running.get(one.get("VariantName"), {})) for one in variants]
    return "; ".join(costs) or _NOT_KNOWN


def _variants(configuration: Answer) -> list[Mapping[str, Any]]:
    members = ("ProductionVariants", "ShadowProductionVariants")
    return [one for member in members for one in configuration.get(member, [])]


def _variant_cost(variant: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if "ServerlessConfig" in variant:
        return "serverless: per call"
    count = now.get("CurrentInstanceCount", variant.get("InitialInstanceCount", 1))
    if "InstanceType" not in variant:
        name = variant.get("VariantName", "")
        return f"variant {name} does not say its instance type: {_NOT_KNOWN}"
    return prices().describe(variant["InstanceType"], count)


def _instances(found: Answer) -> Iterator[tuple[str, int]]:
    """The instance types of a job with their numbers."""
    limits = found.get("HyperParameterTuningJobConfig", {}).get("ResourceLimits", {})
    times = limits.get("MaxParallelTrainingJobs", 1)
    several = found.get("TrainingJobDefinitions", [])
    for definition in several or [found.get("TrainingJobDefinition") or found]:
        members = ("ResourceConfig", "TransformResources", "HyperParameterTuningResourceConfig")
        resources: Answer = next((definition[one] for one in members if definition.get(one)), {})
        groups = resources.get("InstanceGroups") or resources.get("InstanceConfigs")
        for one in groups or [resources]:
            if "InstanceType" in one:
                yield one["InstanceType"], one.get("InstanceCount", 1) * times


def _endpoint(found: Answer, config: Answer, scaling: Answer, tags: Answer) -> dict[str, Any]:
    bounds = [
        f"{one['MinCapacity']} to {one['MaxCapacity']} instances"
        for one in scaling.get("ScalableTargets", [])
    ]
    values = {tag["Key"]: tag["Value"] for tag in tags.get("Tags", [])}
    models = [one.get("ModelName") or "inference components" for one in _variants(config)]
    return {
        "configuration": found.get("EndpointConfigName", ""),
        "previous configuration": values.get(PREVIOUS, ""),
        "models": ", ".join(models),
        "autoscaling": ", ".join(bounds),
    }


def _job(found: Answer) -> dict[str, Any]:
    return {
        "model": found.get("ModelArtifacts", {}).get("S3ModelArtifacts", "")
        or found.get("ModelName", ""),
        "output": found.get("TransformOutput", {}).get("S3OutputPath", ""),
        "best job": found.get("BestTrainingJob", {}).get("TrainingJobName", ""),
        "metrics": ", ".join(metric_lines(found)),
    }
