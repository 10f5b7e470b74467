"""The description of an endpoint or a job: its state and its hourly cost.

Resources of other tools have shapes of their own, such as inference components, instance groups and
several variants. What cannot be told is left out or said in words.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.endpoint import SERVERLESS, configuration_look_up, variant_names
from mlserver_forest.aws.history import read_history
from mlserver_forest.aws.prices import prices
from mlserver_forest.aws.resource_kinds import ENDPOINT, Kind, metric_lines
from mlserver_forest.aws.scaling import Scaling, policies_look_up, scalable_target, targets_look_up
from mlserver_forest.aws.step import Answer, Call, Plan, Step
from mlserver_forest.aws.traffic_shares import all_variants, describe_traffic

_NOTHING = "nothing any more"
_NOT_KNOWN = "cost per hour unknown"


@dataclass(frozen=True)
class RunningInstances:
    """Instances of one type that run now.

    Attributes:
        variant: the name of the endpoint's variant, or empty for a job.
        instance_type: the type, ``SERVERLESS``, or empty if the variant does not say it.
        count: their number.
    """

    variant: str
    instance_type: str
    count: int


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
    known = {
        "the instances and models": configuration_look_up(configuration),
        "the earlier configurations": tags,
    }
    return (
        *(
            Step(call, may_be_missing=True, if_refused=f"{what} of {name}: not known")
            for what, call in known.items()
        ),
        *scaling_steps_of(name, variant_names(found)),
    )


def scaling_steps_of(name: str, variants: Sequence[str]) -> Plan:
    """The look-ups of an endpoint's autoscaling, without which it can be described."""
    resources = [scalable_target(name, one)["ResourceId"] for one in variants]
    return tuple(
        Step(call, may_be_missing=True, if_refused=f"the autoscaling of {name}: not known")
        for call in (targets_look_up(name, variants), *map(policies_look_up, resources))
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
    costs = [_cost_of_instances(one) for one in running_instances(kind, found, configuration)]
    return "; ".join(costs) or _NOT_KNOWN


def running_instances(
    kind: Kind, found: Answer, configuration: Sequence[Answer]
) -> list[RunningInstances]:
    """What runs for an endpoint or a job now.

    Args:
        kind: the kind of endpoint or job.
        found: its description.
        configuration: as in ``cost_of``.
    """
    if kind.is_job:
        running = () if kind.has_ended(found) else _instances(found)
        return [RunningInstances("", *one) for one in running]
    now = {one.get("VariantName"): one for one in all_variants(found)}
    variants = [one for answer in configuration for one in all_variants(answer)]
    return [_of_variant(one, now.get(one.get("VariantName"), {})) for one in variants]


def _of_variant(variant: Mapping[str, Any], now: Mapping[str, Any]) -> RunningInstances:
    name = str(variant.get("VariantName", ""))
    if "ServerlessConfig" in variant:
        return RunningInstances(name, SERVERLESS, 0)
    count = now.get("CurrentInstanceCount", variant.get("InitialInstanceCount", 1))
    return RunningInstances(name, variant.get("InstanceType", ""), count)


def _cost_of_instances(one: RunningInstances) -> str:
    if one.instance_type == SERVERLESS:
        return "serverless: per call"
    if not one.instance_type:
        return f"variant {one.variant} does not say its instance type: {_NOT_KNOWN}"
    return prices().describe(one.instance_type, one.count)


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


def _endpoint(
    found: Answer, config: Answer, tags: Answer, targets: Answer, *policies: Answer
) -> dict[str, Any]:
    values = {tag["Key"]: tag["Value"] for tag in tags.get("Tags", [])}
    variants = all_variants(config)
    models = [one.get("ModelName") or "inference components" for one in variants]
    scaling = Scaling(
        tuple(targets.get("ScalableTargets", ())),
        tuple(one for answer in policies for one in answer.get("ScalingPolicies", ())),
    )
    present = str(found.get("EndpointConfigName", ""))
    earlier = read_history(values, present).kept
    wakes = [f"from none by alarm {one}" for one in scaling.alarms()]
    return {
        "configuration": present,
        "previous configuration": earlier[0] if earlier else "",
        "earlier configurations": ", ".join(earlier[1:]),
        "models": ", ".join(models),
        "traffic": describe_traffic(config, found) if len(variants) > 1 else "",
        "autoscaling": ", ".join([scaling.describe(), *wakes] if scaling.targets else []),
    }


def _job(found: Answer) -> dict[str, Any]:
    return {
        "model": found.get("ModelArtifacts", {}).get("S3ModelArtifacts", "")
        or found.get("ModelName", ""),
        "output": found.get("TransformOutput", {}).get("S3OutputPath", ""),
        "best job": found.get("BestTrainingJob", {}).get("TrainingJobName", ""),
        "metrics": ", ".join(metric_lines(found)),
    }
