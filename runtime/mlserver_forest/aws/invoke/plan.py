"""``forest invoke``: one request to an endpoint, answered directly or through S3."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from mlserver_forest.aws.download import AwaitObject
from mlserver_forest.aws.existing import Existing
from mlserver_forest.aws.local_files import LocalFile
from mlserver_forest.aws.step import Answer, Call, Plan, Send, Step, members
from mlserver_forest.aws.storage import Storage, bucket_steps, upload_steps
from mlserver_forest.errors import DeploymentError
from mlserver_forest.formats import registry


@dataclass(frozen=True)
class Invoke:
    """The options of ``forest invoke``, without the body.

    Attributes:
        target_model: the name of the archive, for a multi-model endpoint, or empty.
        variant: the production variant, or empty.
        attributes: CustomAttributes, or empty.
        inference_id: the id that is stored with captured data, or empty.
    """

    endpoint: str
    content_type: str
    accept: str = ""
    target_model: str = ""
    variant: str = ""
    attributes: str = ""
    inference_id: str = ""


def media_type_of(name: str) -> str:
    """The media type for a file's extension.

    Raises:
        DeploymentError: if there is none.
    """
    found = registry.find_by_file(name)
    if found is None:
        suffix = PurePosixPath(name).suffix.lower()
        raise DeploymentError(
            f"{name}: its media type cannot be determined from "
            f"{suffix or 'its name'}; "
            f"give --content-type, such as {registry.default().media_type}"
        )
    return found.media_type


def plan(invoke: Invoke, file: str) -> Plan:
    """One call with a file as its body.

    Args:
        invoke: the options.
        file: a path, or - for standard input.
    """
    request = {
        **_request(invoke),
        **members(TargetModel=invoke.target_model, TargetVariant=invoke.variant),
    }
    return (Step(Send(Call("sagemaker-runtime", "InvokeEndpoint", request), file)),)


def check_asynchronous(invoke: Invoke) -> None:
    """Check that InvokeEndpointAsync has the options.

    Raises:
        DeploymentError: if it does not.
    """
    if invoke.target_model or invoke.variant:
        raise DeploymentError(
            "--target-model and --variant cannot be used with --async; leave them out"
        )


def upload_input(file: LocalFile, storage: Storage, existing: Existing) -> tuple[str, Plan]:
    """The S3 URI of a local file, and the steps that upload it."""
    key = storage.key("data", "invoke", file.sha256[:16], file.name)
    steps = (
        *bucket_steps(storage, existing),
        *upload_steps(storage, [(key, file)], existing),
    )
    return f"s3://{storage.bucket}/{key}", steps


def plan_asynchronous(invoke: Invoke, uri: str, poll: float, timeout: float) -> Plan:
    """A call for an object in S3, and the wait for the answer, which is written to S3 too.

    Args:
        invoke: the options.
        uri: the input.
        poll: seconds between two checks.
        timeout: seconds in all.
    """
    request = {**_request(invoke), "InputLocation": uri}
    return (
        Step(
            Call("sagemaker-runtime", "InvokeEndpointAsync", request),
            gives=_locations,
            given=("OutputLocation",),
            says="the answer will be in <OutputLocation>",
        ),
        Step(
            AwaitObject("<OutputLocation>", "<FailureLocation>", poll, timeout),
            given=("OutputLocation", "FailureLocation"),
        ),
    )


def _request(invoke: Invoke) -> dict[str, str]:
    return members(
        EndpointName=invoke.endpoint,
        ContentType=invoke.content_type,
        Accept=invoke.accept,
        CustomAttributes=invoke.attributes,
        InferenceId=invoke.inference_id,
    )


def _locations(answer: Answer) -> Mapping[str, str]:
    return {
        "OutputLocation": answer["OutputLocation"],
        "FailureLocation": answer.get("FailureLocation", ""),
    }
