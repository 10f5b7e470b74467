"""``forest invoke``: one question to an endpoint, answered at once or by way of S3."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from mlserver_forest.aws.steps import Call, given
from mlserver_forest.errors import DeploymentError
from mlserver_forest.formats import registry


@dataclass(frozen=True)
class Invoke:
    """The options of ``forest invoke``, without the body."""

    endpoint: str
    content_type: str
    accept: str = ""
    target_model: str = ""
    variant: str = ""
    attributes: str = ""
    inference_id: str = ""


def media_type_of(name: str) -> str:
    """From a file's extension.

    Raises:
        DeploymentError: if it tells nothing.
    """
    found = registry.find_by_file(name)
    if found is None:
        suffix = PurePosixPath(name).suffix.lower()
        raise DeploymentError(
            f"{name}: what is in it cannot be told from {suffix or 'its name'!r}; "
            f"give --content-type, such as {registry.default().media_type}"
        )
    return found.media_type


def plan(invoke: Invoke) -> Call:
    """InvokeEndpoint, whose Body is the file."""
    request = given(
        EndpointName=invoke.endpoint,
        ContentType=invoke.content_type,
        Accept=invoke.accept,
        CustomAttributes=invoke.attributes,
        TargetModel=invoke.target_model,
        TargetVariant=invoke.variant,
        InferenceId=invoke.inference_id,
    )
    return Call("sagemaker-runtime", "InvokeEndpoint", request)


def plan_asynchronous(invoke: Invoke, uri: str) -> Call:
    """InvokeEndpointAsync on an input in S3.

    Raises:
        DeploymentError: for options that it does not have.
    """
    if invoke.target_model or invoke.variant:
        raise DeploymentError("--target-model and --variant are not for --async; leave them out")
    request = given(
        EndpointName=invoke.endpoint,
        ContentType=invoke.content_type,
        Accept=invoke.accept,
        CustomAttributes=invoke.attributes,
        InferenceId=invoke.inference_id,
        InputLocation=uri,
    )
    return Call("sagemaker-runtime", "InvokeEndpointAsync", request)
