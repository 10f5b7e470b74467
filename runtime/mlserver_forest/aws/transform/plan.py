"""``forest transform``: a batch transform job."""

from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.deploy.plan import Artifact, step_of_model
from mlserver_forest.aws.place import (
    Place,
    Shared,
    bucket_steps,
    checked_name,
    digest_of,
    name_from,
    tags_of,
)
from mlserver_forest.aws.steps import Call, Plan, Step, given
from mlserver_forest.aws.upload_plan import LocalFile, together, upload_step, upload_steps
from mlserver_forest.errors import DeploymentError
from mlserver_forest.formats.registry import default

_MOST_MB = 100


@dataclass(frozen=True)
class Batch:
    """How input is cut and output put together.

    Attributes:
        strategy: MultiRecord or SingleRecord.
        split: Line, RecordIO, TFRecord or None.
        assemble: Line or None; empty for what ``split`` asks for.
        join: whether each answer stands behind its input.
        input_filter, output_filter: JSONPaths.
        payload_mb, concurrency: or None for what the container says.
    """

    content_type: str = default().media_type
    accept: str = default().media_type
    strategy: str = "MultiRecord"
    split: str = "Line"
    assemble: str = ""
    compression: str = ""
    join: bool = False
    input_filter: str = ""
    output_filter: str = ""
    payload_mb: int | None = None
    concurrency: int | None = None
    timeout: int | None = None
    retries: int | None = None


@dataclass(frozen=True)
class Transform:
    """The options of ``forest transform``.

    Attributes:
        model: name of a model in SageMaker, or empty to make one from ``artifact``.
        uri, files: the input, in S3 or to be uploaded.
        output: S3 prefix, or empty for the place's own.
        attempt: 1, or higher where earlier jobs of this name failed.
    """

    place: Place
    shared: Shared
    batch: Batch
    model: str = ""
    artifact: Artifact | None = None
    uri: str = ""
    files: tuple[LocalFile, ...] = ()
    output: str = ""
    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    name: str = ""
    attempt: int = 1


def plan(transform: Transform) -> Plan:
    """Bucket, uploads, model, job."""
    request = job_request(transform)
    name = request["TransformJobName"]
    step = Step(
        Call("sagemaker", "CreateTransformJob", request),
        unless=Call("sagemaker", "DescribeTransformJob", {"TransformJobName": name}),
        makes=f"transform job {name}",
        removed_by=f"forest stop {name}",
    )
    place, kms_key = transform.place, transform.shared.kms_key
    inputs = upload_steps(place, _below(transform), transform.files, kms_key)
    return (*bucket_steps(place), *inputs, *_model_steps(transform), step)


def job_request(transform: Transform) -> dict[str, Any]:
    batch = transform.batch
    body = given(
        ModelName=model_name(transform),
        MaxConcurrentTransforms=batch.concurrency,
        ModelClientConfig=given(
            InvocationsTimeoutInSeconds=batch.timeout, InvocationsMaxRetries=batch.retries
        ),
        MaxPayloadInMB=batch.payload_mb,
        BatchStrategy=batch.strategy if batch.split != "None" else None,
        Environment=dict(transform.shared.environment) if transform.model else None,
        TransformInput=_input(transform),
        TransformResources=_resources(transform),
        DataProcessing=_processing(batch),
    )
    name = transform.name or name_from("transform", digest_of(body), longest=60)
    if transform.attempt > 1:
        name = f"{name}-{transform.attempt}"
    checked_name(name)
    output = transform.output or transform.place.uri("transforms", name)
    # The result's place tells the job's name, unless it was chosen.
    where = {"TransformOutput": _output(batch, output, transform.shared.kms_key)}
    tags = tags_of(transform.shared.tags, request=digest_of(body))
    return {"TransformJobName": name, **body, **where, "Tags": tags}


def model_name(transform: Transform) -> str:
    if transform.model:
        return transform.model
    return str(_model_steps(transform)[-1].call.request["ModelName"])


def _model_steps(transform: Transform) -> Plan:
    artifact = transform.artifact
    if artifact is None:
        return ()
    shared = transform.shared
    uploads = (
        upload_step(transform.place.bucket, key, file, shared.kms_key)
        for key, file in artifact.files
    )
    one = given(Image=shared.image, ModelDataUrl=artifact.uri, Environment=dict(shared.environment))
    return (*uploads, step_of_model("forest-batch", one, shared))


def _below(transform: Transform) -> tuple[str, ...]:
    return ("data", "transform", together(transform.files))


def _input(transform: Transform) -> dict[str, Any]:
    uri = transform.uri or transform.place.uri(*_below(transform)) + "/"
    source = {"S3DataType": "S3Prefix", "S3Uri": uri}
    return given(
        DataSource={"S3DataSource": source},
        ContentType=transform.batch.content_type,
        CompressionType=transform.batch.compression,
        SplitType=transform.batch.split,
    )


def _output(batch: Batch, uri: str, kms_key: str) -> dict[str, Any]:
    line = "Line" if batch.split == "Line" else "None"
    return given(
        S3OutputPath=uri,
        Accept=batch.accept,
        AssembleWith=batch.assemble or line,
        KmsKeyId=kms_key,
    )


def _resources(transform: Transform) -> dict[str, Any]:
    return given(
        InstanceType=transform.instance_type,
        InstanceCount=transform.instance_count,
        VolumeKmsKeyId=transform.shared.kms_key,
    )


def _processing(batch: Batch) -> dict[str, Any]:
    """CreateTransformJob joins and filters only where both sides are of one family."""
    wanted = batch.join or batch.input_filter or batch.output_filter
    if wanted and batch.content_type.split(";")[0] != batch.accept.split(";")[0]:
        raise DeploymentError(
            f"--join and filters need input and output of one kind; --content-type is "
            f"{batch.content_type}, --accept {batch.accept or 'not given'}"
        )
    if (batch.payload_mb or 0) * (batch.concurrency or 1) > _MOST_MB:
        raise DeploymentError(
            f"--payload-mb {batch.payload_mb} times --concurrency {batch.concurrency or 1} is over "
            f"{_MOST_MB}, SageMaker's most; lower one of them"
        )
    return given(
        InputFilter=batch.input_filter,
        OutputFilter=batch.output_filter,
        JoinSource="Input" if batch.join else None,
    )
