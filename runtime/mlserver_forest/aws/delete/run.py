"""What belongs to an endpoint, found by tags, and deleted."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from mlserver_forest.aws.client import Aws
from mlserver_forest.aws.delete.plan import Found, look_up_scaling, plan
from mlserver_forest.aws.place import FOR_ENDPOINT, OURS
from mlserver_forest.aws.start_job import tags_of
from mlserver_forest.aws.steps import Call
from mlserver_forest.aws.waiter import ENDPOINT
from mlserver_forest.errors import DeploymentError

Say = Callable[[str], None]
_BUSY = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack"})


def find_all(aws: Aws, name: str, *, foreign: bool) -> Found:
    """The endpoint, its configurations and models; or the model of that name.

    Args:
        aws: the account.
        name: of an endpoint, which may be gone already, or of a model.
        foreign: whether also what this tool did not make.

    Raises:
        DeploymentError: if there is nothing, or nothing that may be deleted.
    """
    endpoint = aws.find(ENDPOINT.look_up(name))
    if endpoint:
        _check(aws, endpoint, foreign)
    configurations = set(_tagged(aws, "EndpointConfig", name))
    models = set(_tagged(aws, "Model", name))
    if endpoint and foreign:
        configurations.add(endpoint["EndpointConfigName"])
        models |= _models_of(aws, endpoint["EndpointConfigName"])
    if not endpoint and not configurations and not models:
        return _model(aws, name, foreign)
    scaled = bool(endpoint) and any(aws.pages(look_up_scaling(name), "ScalableTargets"))
    stays = (
        *_what_stays(aws, configurations, models),
        f"log group /aws/sagemaker/Endpoints/{name}",
    )
    found = name if endpoint else ""
    return Found(found, tuple(sorted(configurations)), tuple(sorted(models)), scaled, stays)


def delete(aws: Aws, found: Found, say: Say, poll: float) -> None:
    """One after the other; a configuration may go only when its endpoint is gone.

    Raises:
        DeploymentError: with what is left.
    """
    calls = plan(found)
    for number, call in enumerate(calls):
        try:
            aws.find(call)
            if call.operation == "DeleteEndpoint":
                _wait_until_gone(aws, found.endpoint, poll)
        except (DeploymentError, KeyboardInterrupt) as error:
            left = "; ".join(_in_words(one) for one in calls[number:])
            reason = str(error) or "interrupted"
            raise DeploymentError(f"{reason}\nnot deleted yet: {left}; run it again") from error
        say(f"deleted {_in_words(call)}")


def is_ours(aws: Aws, arn: str) -> bool:
    return tags_of(aws, arn).get(OURS[0]) == OURS[1]


def _check(aws: Aws, endpoint: dict[str, Any], foreign: bool) -> None:
    name, status = endpoint["EndpointName"], endpoint[ENDPOINT.status]
    if not foreign and not is_ours(aws, endpoint["EndpointArn"]):
        raise DeploymentError(
            f"endpoint {name} was not made by this tool (it has no tag {OURS[0]}={OURS[1]}); "
            "add --any to delete it all the same"
        )
    if status in _BUSY:
        raise DeploymentError(
            f"endpoint {name} is {status}, and AWS deletes none in that state; "
            f"look at forest status {name} and run it again"
        )


def _tagged(aws: Aws, what: str, endpoint: str) -> Iterator[str]:
    """Names of configurations or models that were made for the endpoint."""
    call = Call("sagemaker", f"List{what}s", {"NameContains": endpoint})
    for one in aws.pages(call, f"{what}s"):
        if tags_of(aws, one[f"{what}Arn"]).get(FOR_ENDPOINT) == endpoint:
            yield one[f"{what}Name"]


def _models_of(aws: Aws, configuration: str) -> set[str]:
    request = {"EndpointConfigName": configuration}
    found = aws.find(Call("sagemaker", "DescribeEndpointConfig", request))
    return {one["ModelName"] for one in found["ProductionVariants"]} if found else set()


def _model(aws: Aws, name: str, foreign: bool) -> Found:
    model = aws.find(Call("sagemaker", "DescribeModel", {"ModelName": name}))
    if model is None:
        raise DeploymentError(
            f"nothing to delete: no endpoint or model {name} is there, and nothing made for it; "
            "jobs are not deleted but stopped: forest stop"
        )
    if not foreign and not is_ours(aws, model["ModelArn"]):
        raise DeploymentError(f"model {name} was not made by this tool; add --any to delete it")
    return Found("", models=(name,), stays=tuple(_what_stays(aws, set(), {name})))


def _what_stays(aws: Aws, configurations: set[str], models: set[str]) -> Iterator[str]:
    for name in sorted(models):
        found = aws.find(Call("sagemaker", "DescribeModel", {"ModelName": name})) or {}
        if uri := found.get("PrimaryContainer", {}).get("ModelDataUrl"):
            yield f"the model in {uri}"
    for name in sorted(configurations):
        call = Call("sagemaker", "DescribeEndpointConfig", {"EndpointConfigName": name})
        found = aws.find(call) or {}
        if uri := found.get("DataCaptureConfig", {}).get("DestinationS3Uri"):
            yield f"captured data in {uri}"
        if uri := found.get("AsyncInferenceConfig", {}).get("OutputConfig", {}).get("S3OutputPath"):
            yield f"answers in {uri}"


def _wait_until_gone(aws: Aws, name: str, poll: float) -> None:
    while found := aws.find(ENDPOINT.look_up(name)):
        if found[ENDPOINT.status] in ENDPOINT.bad:
            reason = found.get("FailureReason", "no reason is given")
            raise DeploymentError(f"endpoint {name} is {found[ENDPOINT.status]}: {reason}")
        time.sleep(poll)


def _in_words(call: Call) -> str:
    nouns = {
        "DeleteEndpoint": "endpoint",
        "DeleteEndpointConfig": "endpoint configuration",
        "DeleteModel": "model",
        "DeregisterScalableTarget": "autoscaling of",
    }
    request = dict(call.request)
    name = request.get("ResourceId") or next(iter(request.values()))
    return f"{nouns[call.operation]} {name}"
