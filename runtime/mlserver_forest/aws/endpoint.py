"""An existing endpoint: its state, its autoscaling, and updates of its configuration."""

from collections.abc import Mapping
from typing import Any

from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.naming import PREVIOUS
from mlserver_forest.aws.resource_kinds import ENDPOINT
from mlserver_forest.aws.step import Answer, Call, Plan, Step
from mlserver_forest.errors import DeploymentError

# The name of the only production variant.
VARIANT = "AllTraffic"
_SCALING = "application-autoscaling"


def scalable_target(endpoint: str) -> dict[str, str]:
    """The members that identify the endpoint in Application Auto Scaling."""
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/{VARIANT}",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


def scaling_look_up(endpoint: str) -> Call:
    """The call that finds the endpoint's scalable target; the list is empty without autoscaling."""
    target = scalable_target(endpoint)
    request = {
        "ServiceNamespace": target["ServiceNamespace"],
        "ResourceIds": [target["ResourceId"]],
        "ScalableDimension": target["ScalableDimension"],
    }
    return Call(_SCALING, "DescribeScalableTargets", request, items="ScalableTargets")


def deregister(endpoint: str) -> Call:
    """The call that removes autoscaling from the endpoint."""
    return Call(_SCALING, "DeregisterScalableTarget", scalable_target(endpoint))


def configuration_look_up(configuration: str) -> Call:
    """The call that finds an endpoint configuration by its name."""
    return Call("sagemaker", "DescribeEndpointConfig", {"EndpointConfigName": configuration})


def check_updatable(found: Answer) -> None:
    """Check that SageMaker accepts an update.

    Raises:
        DeploymentError: if the endpoint is not in service.
    """
    name, status = found["EndpointName"], found[ENDPOINT.status]
    if status in ENDPOINT.good:
        return
    if status in ENDPOINT.bad:
        reason = found.get("FailureReason", "no reason was given")
        raise DeploymentError(
            f"endpoint {name} is {status} ({reason}) and cannot be updated; "
            f"forest delete {name} first"
        )
    raise DeploymentError(f"endpoint {name} is {status}; wait for it: forest status {name}")


def update_steps(
    existing: Existing, found: Answer, request: Mapping[str, Any], instance_type: str
) -> Plan:
    """Update an endpoint's configuration, and record the previous one for ``forest rollback``.

    An endpoint with autoscaling keeps its number of instances. AWS refuses to change the instance
    type during autoscaling (SageMaker's guide on autoscaling of endpoints).

    Args:
        existing: the account.
        found: the endpoint's description.
        request: the request of UpdateEndpoint.
        instance_type: the instance type of the new configuration, or "serverless".
    """
    name, before = found["EndpointName"], found["EndpointConfigName"]
    tags = {"ResourceArn": found[ENDPOINT.arn], "Tags": [{"Key": PREVIOUS, "Value": before}]}
    remember = Step(Call("sagemaker", "AddTags", tags))
    request = dict(request)
    if not existing.items(scaling_look_up(name), optional="autoscaling"):
        return (Step(Call("sagemaker", "UpdateEndpoint", request)), remember)
    if _instance_type(existing, before) == instance_type:
        request["RetainAllVariantProperties"] = True
        return (Step(Call("sagemaker", "UpdateEndpoint", request)), remember)
    request.pop("RetainAllVariantProperties", None)
    message = (
        f"removed autoscaling from {name}, whose instance type changes; --autoscale restores it"
    )
    return (
        Step(deregister(name), says=message),
        Step(Call("sagemaker", "UpdateEndpoint", request)),
        remember,
    )


def unknown_update_steps(endpoint: str, request: Mapping[str, Any]) -> Plan:
    """The same steps if it is unknown whether the endpoint exists and what it is like."""
    there = ENDPOINT.look_up(endpoint)
    tags = {
        "ResourceArn": f"<ARN of {endpoint}>",
        "Tags": [{"Key": PREVIOUS, "Value": "<its present configuration>"}],
    }
    calls = (Call("sagemaker", "UpdateEndpoint", request), Call("sagemaker", "AddTags", tags))
    return (
        Step(deregister(endpoint), when="it has autoscaling, and its instance type changes"),
        *(Step(call, only_if=there) for call in calls),
    )


def instance_type_of(configuration: Answer) -> str:
    """The instance type in a configuration's description, or "serverless"."""
    (variant,) = configuration["ProductionVariants"]
    return str(variant.get("InstanceType", "serverless"))


def _instance_type(existing: Existing, configuration: str) -> str:
    found = existing.need(configuration_look_up(configuration))
    return "" if found is UNKNOWN else instance_type_of(found)
