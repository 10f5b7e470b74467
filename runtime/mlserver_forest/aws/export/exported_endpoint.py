"""An endpoint of any form with everything that serves it, as the account has it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.endpoint import configuration_look_up, no_endpoint, variant_names
from mlserver_forest.aws.existing import UNKNOWN, Existing, Unknown
from mlserver_forest.aws.present_endpoint import CONFIGURATION_MEMBERS, MODEL_MEMBERS, only
from mlserver_forest.aws.resource_kinds import ENDPOINT, tags_of
from mlserver_forest.aws.sagemaker_model import model_look_up
from mlserver_forest.aws.scaling import Scaling, find_scaling
from mlserver_forest.aws.step import Answer, Call, Plan, Step


@dataclass(frozen=True)
class ExportedEndpoint:
    """What serves an endpoint.

    Attributes:
        endpoint: its description.
        configuration: the configuration as CreateEndpointConfig takes it, without name and tags.
        models: the models by name, as CreateModel takes them, without name and tags.
        tags: the tags by the name of the endpoint, of its configuration and of its models.
        scaling: its autoscaling.
        alarms: the descriptions of the alarms that start its step policies.
    """

    endpoint: Answer
    configuration: Mapping[str, Any]
    models: Mapping[str, Mapping[str, Any]]
    tags: Mapping[str, Mapping[str, str]]
    scaling: Scaling
    alarms: tuple[Answer, ...]


def find_exported(existing: Existing, name: str) -> ExportedEndpoint | Unknown:
    """Find an endpoint with everything that serves it.

    Raises:
        DeploymentError: if there is none, or a part of it is gone.
    """
    found = existing.find(ENDPOINT.look_up(name))
    if found is UNKNOWN:
        return UNKNOWN
    if found is None:
        raise no_endpoint(name, existing.region)
    configuration = existing.need(configuration_look_up(found["EndpointConfigName"]))
    if configuration is UNKNOWN:
        return UNKNOWN
    models = dict(_models(existing, configuration))
    arns = {
        name: found[ENDPOINT.arn],
        str(found["EndpointConfigName"]): configuration["EndpointConfigArn"],
        **{model: one["ModelArn"] for model, one in models.items()},
    }
    scaling = find_scaling(existing, name, variant_names(found, configuration))
    return ExportedEndpoint(
        endpoint=found,
        configuration=only(configuration, CONFIGURATION_MEMBERS),
        models={model: _as_created(one) for model, one in models.items()},
        tags={one: _tags(existing, arn) for one, arn in arns.items()},
        scaling=scaling,
        alarms=tuple(_alarms(existing, scaling)),
    )


def look_ups(name: str) -> Plan:
    """The calls, if it is unknown what exists."""
    configuration = configuration_look_up(f"<configuration of {name}>")
    calls = (ENDPOINT.look_up(name), configuration, model_look_up(f"<model of {name}>"))
    return tuple(Step(call) for call in calls)


def _models(existing: Existing, configuration: Answer) -> Iterator[tuple[str, Answer]]:
    for member in ("ProductionVariants", "ShadowProductionVariants"):
        for variant in configuration.get(member, []):
            if name := variant.get("ModelName"):
                found = existing.need(model_look_up(name))
                if found is not UNKNOWN:
                    yield name, found


def _as_created(model: Answer) -> dict[str, Any]:
    """The members that CreateModel takes; a URL says all of its source."""
    members = only(model, (*MODEL_MEMBERS, "Containers", "InferenceExecutionConfig"))
    if "PrimaryContainer" in members:
        return {**members, "PrimaryContainer": _container(members["PrimaryContainer"])}
    return {**members, "Containers": [_container(one) for one in members["Containers"]]}


def _container(container: Mapping[str, Any]) -> dict[str, Any]:
    left_out = {"ModelDataSource"} if container.get("ModelDataUrl") else set()
    # A model package has its own image and data, which the description shows as well.
    left_out |= {"Image", "ModelDataUrl"} if container.get("ModelPackageName") else set()
    return {name: one for name, one in container.items() if name not in left_out and one}


def _tags(existing: Existing, arn: str) -> dict[str, str]:
    return {key: text for key, text in tags_of(existing, arn).items() if key[:4] != "aws:"}


def _alarms(existing: Existing, scaling: Scaling) -> list[Answer]:
    names = list(scaling.alarms())
    if not names:
        return []
    call = Call("cloudwatch", "DescribeAlarms", {"AlarmNames": names}, items="MetricAlarms")
    return existing.items(call, optional="the alarm that wakes the endpoint")
