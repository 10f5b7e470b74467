"""An endpoint, created or updated in place, with the configuration before it remembered."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mlserver_forest.aws import waiter
from mlserver_forest.aws.client import Aws
from mlserver_forest.aws.delete.plan import deregister, look_up_scaling
from mlserver_forest.aws.deploy.endpoint_config import Traffic
from mlserver_forest.aws.deploy.plan import (
    Deploy,
    autoscaling_steps,
    configuration_step,
    endpoint_step,
    model_step,
    upload_plan,
)
from mlserver_forest.aws.executor import Executor
from mlserver_forest.aws.place import OURS, PREVIOUS
from mlserver_forest.aws.rollback import plan
from mlserver_forest.aws.start_job import tags_of
from mlserver_forest.aws.steps import Call, Step
from mlserver_forest.aws.waiter import ENDPOINT
from mlserver_forest.errors import DeploymentError

Confirm = Callable[[str], None]
Say = Callable[[str], None]


def deploy(executor: Executor, wanted: Deploy, say: Say, confirm: Confirm) -> bool:
    """Everything but waiting and autoscaling.

    Returns:
        Whether the endpoint is new or changed.

    Raises:
        DeploymentError: with what exists now.
    """
    found = executor.aws.find(ENDPOINT.look_up(wanted.endpoint))
    name = configuration_step(wanted).call.request["EndpointConfigName"]
    if found:
        _check_state(found)
        if found["EndpointConfigName"] != name:
            confirm(_question(executor.aws, found, name))
    executor.run((*upload_plan(wanted), model_step(wanted), configuration_step(wanted)))
    if found and found["EndpointConfigName"] == name:
        say(f"endpoint {wanted.endpoint} has configuration {name} already")
        return False
    with executor.telling():
        _create_or_update(executor, endpoint_step(wanted), found)
    return True


def finish(executor: Executor, wanted: Deploy, say: Say, poll: float) -> dict[str, Any]:
    """Wait until the endpoint answers with the wanted configuration, then scale it.

    Raises:
        DeploymentError: with the failure reason, the last log lines and what exists now.
    """
    name = configuration_step(wanted).call.request["EndpointConfigName"]
    with executor.telling():
        found = settled(executor.aws, wanted.endpoint, name, say, poll)
    executor.run(autoscaling_steps(wanted))
    return found


def settled(aws: Aws, endpoint: str, configuration: str, say: Say, poll: float) -> dict[str, Any]:
    """Wait for the end of a creation or an update.

    Raises:
        DeploymentError: if it failed, or AWS went back to the configuration before.
    """
    found = waiter.wait(aws, ENDPOINT, endpoint, say, poll)
    waiter.checked(aws, ENDPOINT, endpoint, found)
    if found["EndpointConfigName"] != configuration:
        reason = found.get("FailureReason") or "an alarm, or instances that never became healthy"
        raise DeploymentError(
            f"endpoint {endpoint} was rolled back by AWS and answers with configuration "
            f"{found['EndpointConfigName']} as before: {reason}; see forest logs {endpoint}"
        )
    return found


def update(aws: Aws, call: Call, found: dict[str, Any], say: Say) -> None:
    """UpdateEndpoint, and the configuration before written down for ``rollback``."""
    aws.do(_with_scaling(aws, call, found, say))
    previous = [{"Key": PREVIOUS, "Value": found["EndpointConfigName"]}]
    request = {"ResourceArn": found["EndpointArn"], "Tags": previous}
    aws.call("sagemaker", "AddTags", request)


def find_previous(aws: Aws, endpoint: str) -> tuple[dict[str, Any], str, Call]:
    """The endpoint, the configuration that its last update replaced, and the call to go back.

    Raises:
        DeploymentError: if there is no such endpoint or configuration.
    """
    found = aws.find(ENDPOINT.look_up(endpoint))
    if found is None:
        raise DeploymentError(f"there is no endpoint {endpoint} in {aws.region}; see forest list")
    _check_state(found)
    name = tags_of(aws, found["EndpointArn"]).get(PREVIOUS, "")
    if not name or name == found["EndpointConfigName"]:
        raise DeploymentError(f"endpoint {endpoint} has no configuration before its present one")
    request = {"EndpointConfigName": name}
    configuration = aws.find(Call("sagemaker", "DescribeEndpointConfig", request))
    if configuration is None:
        raise DeploymentError(f"configuration {name}, to go back to, was deleted")
    is_serverless = "ServerlessConfig" in configuration["ProductionVariants"][0]
    return found, name, plan.plan(endpoint, name, Traffic(), is_serverless=is_serverless)


def _create_or_update(executor: Executor, step: Step, found: dict[str, Any] | None) -> None:
    if found is None:
        executor.run((step,))
    elif step.otherwise:
        update(executor.aws, step.otherwise, found, executor.say)


def _with_scaling(aws: Aws, call: Call, found: dict[str, Any], say: Say) -> Call:
    """A scaled endpoint keeps its number of instances; AWS refuses another type of them
    while it is scaled (the guide on autoscaling of endpoints).
    """
    name = found["EndpointName"]
    if not any(aws.pages(look_up_scaling(name), "ScalableTargets")):
        return call
    before, after = found["EndpointConfigName"], call.request["EndpointConfigName"]
    if _instance_type(aws, before) == _instance_type(aws, after):
        return replace(call, request={**call.request, "RetainAllVariantProperties": True})
    aws.do(deregister(name))
    say(f"took autoscaling off {name}, whose instance type changes; --autoscale puts it back")
    request = {k: v for k, v in call.request.items() if k != "RetainAllVariantProperties"}
    return replace(call, request=request)


def _instance_type(aws: Aws, configuration: str) -> str:
    request = {"EndpointConfigName": configuration}
    (variant,) = aws.call("sagemaker", "DescribeEndpointConfig", request)["ProductionVariants"]
    return str(variant.get("InstanceType", "serverless"))


def _check_state(found: dict[str, Any]) -> None:
    name, status = found["EndpointName"], found[ENDPOINT.status]
    if status in ENDPOINT.good:
        return
    if status in ENDPOINT.bad:
        reason = found.get("FailureReason", "no reason is given")
        raise DeploymentError(
            f"endpoint {name} is {status} ({reason}) and cannot be updated; "
            f"forest delete {name} first"
        )
    raise DeploymentError(f"endpoint {name} is {status}; wait for it: forest status {name}")


def _question(aws: Aws, found: dict[str, Any], name: str) -> str:
    tags = tags_of(aws, found["EndpointArn"])
    foreign = "" if tags.get(OURS[0]) == OURS[1] else " (which this tool did not make)"
    return (
        f"Endpoint {found['EndpointName']}{foreign} answers with {found['EndpointConfigName']}; "
        f"update it to {name}?"
    )
