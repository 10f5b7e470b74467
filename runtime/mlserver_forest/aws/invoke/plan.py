"""``forest invoke``: one request to an endpoint, answered directly or through S3."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

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


def check_file(file: str, *, is_uploaded: bool) -> None:
    """Check that there is a file to send, also in a dry run.

    Args:
        file: a path, or - for standard input.
        is_uploaded: whether it is uploaded first, which standard input cannot be.

    Raises:
        DeploymentError: if there is not.
    """
    if file == "-":
        if is_uploaded:
            raise DeploymentError("--async sends a file through S3: give a file, not -")
        return
    try:
        with Path(file).open("rb"):
            return
    except OSError as error:
        raise DeploymentError(f"{file}: {error.strerror}") from error


def upload_input(
    file: LocalFile, storage: Storage, existing: Existing, kms_key: str = ""
) -> tuple[str, Plan]:
    """The S3 URI of a local file, and the steps that upload it; ``kms_key`` encrypts it."""
    key = storage.key("data", "invoke", file.sha256[:16], file.name)
    steps = (
        *bucket_steps(storage, existing),
        *upload_steps(storage, [(key, file)], existing, kms_key),
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
