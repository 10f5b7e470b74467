"""``forest transform``: a batch transform job."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mlserver_forest.aws.download import Download
from mlserver_forest.aws.existing import Existing
from mlserver_forest.aws.fit.plan import Input
from mlserver_forest.aws.infrastructure import Infrastructure
from mlserver_forest.aws.model_data import ModelData
from mlserver_forest.aws.naming import digest_of, name_from, name_with_end
from mlserver_forest.aws.resource_kinds import TRANSFORM
from mlserver_forest.aws.sagemaker_job import JobIdentity, SageMakerJob, find_job
from mlserver_forest.aws.sagemaker_model import SageMakerModel, model_look_up
from mlserver_forest.aws.step import Call, Plan, Step, members
from mlserver_forest.aws.storage import Storage, bucket_steps, upload_steps
from mlserver_forest.errors import DeploymentError
from mlserver_forest.formats.registry import default

_MOST_MB = 100


@dataclass(frozen=True)
class Batch:
    """How the input is split into requests, and how the answers are assembled.

    Attributes:
        strategy: MultiRecord or SingleRecord.
        split: Line, RecordIO, TFRecord or None.
        assemble: Line or None; empty for the one that matches ``split``.
        join: whether each answer is appended to its input.
        input_filter, output_filter: JSONPaths.
        payload_mb, concurrency: the limits, or None for those of the container.
        timeout, retries: the seconds and the retries of a request, or None for SageMaker's
            defaults.
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
        data: the input.
        model: the name of a model in SageMaker, or empty to create one from ``artifact``.
        model_identity: a digest of what a model in SageMaker is now.
        output: the S3 prefix of the answers, or empty for this tool's own.
        name: the name of the job, or empty for one that contains the request's digest.
    """

    storage: Storage
    infrastructure: Infrastructure
    batch: Batch
    data: Input
    model: str = ""
    model_identity: str = ""
    artifact: ModelData | None = None
    output: str = ""
    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    name: str = ""

    def made_model(self, job: str) -> SageMakerModel | None:
        """The model that is created for the job and deleted after it.

        Args:
            job: the job's name. No other job has the same model, which could be deleted too early.
        """
        if self.artifact is None:
            return None
        identity = digest_of([job, self.artifact.identity])
        return SageMakerModel(
            "forest-batch", self.artifact.uri, self.infrastructure, identity=identity
        )


def find_transform_job(transform: Transform, existing: Existing, *, again: bool) -> SageMakerJob:
    """Find the job that the same options created before, or plan a new one.

    Args:
        transform: the options.
        existing: the account.
        again: whether to create another job even if the same one is running or done.
    """
    return find_job(existing, TRANSFORM, partial(job_request, transform), again=again)


def plan(
    transform: Transform,
    job: SageMakerJob,
    existing: Existing,
    poll: float | None = None,
    download: Path | None = None,
) -> Plan:
    """The steps: bucket, uploads, model and job, unless the job exists, and then what follows it.

    Args:
        transform: the options.
        job: the transform job.
        existing: the account.
        poll: seconds between two checks, or None not to wait.
        download: a folder for the answers, or None not to download them.
    """
    made = () if job.found is not None else _making(transform, job, existing)
    if poll is None:
        return (*made, job.step)
    return (
        *made,
        job.step,
        *job.wait(poll),
        *_model_deletion(transform, job, existing),
        *((Step(Download(output_of(job), download)),) if download else ()),
    )


def output_of(job: SageMakerJob) -> str:
    """The S3 prefix of the job's answers."""
    request = job.found or job.request
    return str(request["TransformOutput"]["S3OutputPath"])


def model_of(job: SageMakerJob) -> str:
    """The name of the model that answers."""
    return str((job.found or job.request)["ModelName"])


def job_request(transform: Transform, end: str = "") -> dict[str, Any]:
    """CreateTransformJob's request, whose name contains the job's digest unless one was chosen.

    Args:
        transform: the options.
        end: the end of the name, such as ``-2`` if an earlier job of this name has failed.
    """
    batch, shared = transform.batch, transform.infrastructure
    body = members(
        BatchStrategy=_strategy(batch),
        # A model that is created for the job has the environment itself.
        Environment=dict(shared.environment) if transform.model else None,
        MaxPayloadInMB=batch.payload_mb,
        MaxConcurrentTransforms=batch.concurrency,
        ModelClientConfig=members(
            InvocationsTimeoutInSeconds=batch.timeout, InvocationsMaxRetries=batch.retries
        ),
        TransformInput=_input(transform),
        TransformResources=_resources(transform),
        DataProcessing=_processing(batch),
    )
    identity = _identity(transform, body)
    named = transform.name or name_from("transform", identity.digest, longest=60)
    name = name_with_end(named, end)
    model = transform.made_model(name)
    output = transform.output or transform.storage.uri("transforms", name)
    return {
        "TransformJobName": name,
        "ModelName": model.name if model else transform.model,
        **body,
        "TransformOutput": _output(batch, output, shared.kms_key),
        "Tags": identity.tags(shared.tags),
    }


def _identity(transform: Transform, body: Mapping[str, Any]) -> JobIdentity:
    artifact = transform.artifact
    model = artifact and SageMakerModel("", artifact.uri, transform.infrastructure).request()
    options = {
        **body,
        "model": model or transform.model,
        "output": _output(transform.batch, transform.output, transform.infrastructure.kms_key),
    }
    in_s3 = {
        "input": transform.data.identity,
        "model": artifact.identity if artifact else transform.model_identity,
    }
    data = {name: digest for name, digest in in_s3.items() if digest}
    return JobIdentity(digest_of(options), digest_of(data) if data else "")


def _strategy(batch: Batch) -> str | None:
    """Several records in a request need a way to split them."""
    return None if (batch.split, batch.strategy) == ("None", "MultiRecord") else batch.strategy


def _making(transform: Transform, job: SageMakerJob, existing: Existing) -> Plan:
    """The steps that create what the job needs."""
    storage, data = transform.storage, transform.data
    files = [(storage.key(*data.prefix, file.name), file) for file in data.files]
    artifact = transform.artifact.files if transform.artifact else ()
    kms_key = transform.infrastructure.kms_key
    made = transform.made_model(job.name)
    model = (made.step(existing),) if made else ()
    return (
        *bucket_steps(storage, existing),
        *upload_steps(storage, (*files, *artifact), existing, kms_key),
        *model,
    )


def _model_deletion(transform: Transform, job: SageMakerJob, existing: Existing) -> Plan:
    """Delete a model that was created for the job only; the artifact in S3 remains."""
    if transform.artifact is None:
        return ()
    name = model_of(job)
    if job.found and existing.find(model_look_up(name)) is None:
        return ()
    step = Step(
        Call("sagemaker", "DeleteModel", {"ModelName": name}),
        may_be_missing=True,
        says=f"deleted model {name}, which was created for this job",
        if_refused=f"model {name} remains (forest delete {name})",
        even_if_failed=True,
    )
    return (step,)


def _input(transform: Transform) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": transform.data.uri_in(transform.storage)}
    return members(
        DataSource={"S3DataSource": source},
        ContentType=transform.batch.content_type,
        CompressionType=transform.batch.compression,
        SplitType=transform.batch.split,
    )


def _output(batch: Batch, uri: str, kms_key: str) -> dict[str, Any]:
    line = "Line" if batch.split == "Line" else "None"
    return members(
        S3OutputPath=uri,
        Accept=batch.accept,
        AssembleWith=batch.assemble or line,
        KmsKeyId=kms_key,
    )


def _resources(transform: Transform) -> dict[str, Any]:
    return members(
        InstanceType=transform.instance_type,
        InstanceCount=transform.instance_count,
        VolumeKmsKeyId=transform.infrastructure.volume_key(transform.instance_type),
    )


def check_batch(batch: Batch) -> None:
    """Refuse what SageMaker refuses, before anything is looked up.

    Raises:
        DeploymentError: naming the options.
    """
    wanted = batch.join or batch.input_filter or batch.output_filter
    if wanted and batch.content_type.split(";")[0] != batch.accept.split(";")[0]:
        raise DeploymentError(
            f"--join and filters need input and output of the same media type; --content-type is "
            f"{batch.content_type}, --accept {batch.accept or 'not given'}"
        )
    if (batch.payload_mb or 0) * (batch.concurrency or 1) > _MOST_MB:
        raise DeploymentError(
            f"--payload-mb {batch.payload_mb} times --concurrency {batch.concurrency or 1} is over "
            f"{_MOST_MB}, SageMaker's maximum; lower one of them"
        )


def check_output(data: Input, output: str) -> None:
    """Refuse answers that the next job would read as rows: SageMaker reads whatever begins so.

    Raises:
        DeploymentError: naming both prefixes.
    """
    if data.uri and f"{output.rstrip('/')}/".startswith(data.uri):
        raise DeploymentError(
            f"--output {output} begins with the input's {data.uri}, so that the next job would "
            "read these answers as rows; give a prefix beside the input"
        )


def header_warning(batch: Batch) -> str:
    """A line if each file has a header, which only its first request would have; else empty."""
    _, *parameters = batch.content_type.lower().replace(" ", "").replace('"', "").split(";")
    if batch.split == "None" or "header=present" not in parameters:
        return ""
    return (
        f"warning: --split {batch.split} cuts a file into several requests, and only the first has "
        "the header that --content-type promises, so that the others are refused (400); take the "
        "header and header=present off, or add --split None, which sends each file whole"
    )


def _processing(batch: Batch) -> dict[str, Any]:
    """The members for joins and filters."""
    return members(
        InputFilter=batch.input_filter,
        OutputFilter=batch.output_filter,
        JoinSource="Input" if batch.join else None,
    )
