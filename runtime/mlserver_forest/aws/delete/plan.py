"""``forest delete``: an endpoint, what was made for it, and what stays."""

from dataclasses import dataclass

from mlserver_forest.aws.deploy.plan import scalable_target
from mlserver_forest.aws.steps import Call


@dataclass(frozen=True)
class Found:
    """What is there.

    Attributes:
        endpoint: its name, or empty where it is gone already.
        configurations, models: by name.
        is_scaled: whether a scalable target is registered.
        stays: what is not deleted, in words.
    """

    endpoint: str
    configurations: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    is_scaled: bool = False
    stays: tuple[str, ...] = ()


def plan(found: Found) -> tuple[Call, ...]:
    """What is paid for first."""
    scaling = [deregister(found.endpoint)] if found.is_scaled else []
    endpoint = [
        Call("sagemaker", "DeleteEndpoint", {"EndpointName": found.endpoint})
        for _ in range(bool(found.endpoint))
    ]
    configurations = [
        Call("sagemaker", "DeleteEndpointConfig", {"EndpointConfigName": name})
        for name in found.configurations
    ]
    models = [Call("sagemaker", "DeleteModel", {"ModelName": name}) for name in found.models]
    return (*scaling, *endpoint, *configurations, *models)


def deregister(endpoint: str) -> Call:
    return Call("application-autoscaling", "DeregisterScalableTarget", scalable_target(endpoint))


def look_up_scaling(endpoint: str) -> Call:
    target = scalable_target(endpoint)
    request = {
        "ServiceNamespace": target["ServiceNamespace"],
        "ResourceIds": [target["ResourceId"]],
        "ScalableDimension": target["ScalableDimension"],
    }
    return Call("application-autoscaling", "DescribeScalableTargets", request)


def look_ups(name: str) -> tuple[Call, ...]:
    """How it is found out what there is."""
    return (
        Call("sagemaker", "DescribeEndpoint", {"EndpointName": name}),
        look_up_scaling(name),
        Call("sagemaker", "ListEndpointConfigs", {"NameContains": name}),
        Call("sagemaker", "ListModels", {"NameContains": name}),
    )
