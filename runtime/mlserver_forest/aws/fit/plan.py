"""``forest fit``: a training job."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

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
from mlserver_forest.aws.upload_plan import LocalFile, together, upload_steps
from mlserver_forest.errors import DeploymentError


@dataclass(frozen=True)
class Input:
    """A channel: local files, or what is in S3 already (``uri``)."""

    channel: str
    files: tuple[LocalFile, ...] = ()
    uri: str = ""


@dataclass(frozen=True)
class Machines:
    """What a job runs on, and for how long."""

    instance_type: str = "ml.m5.xlarge"
    instance_count: int = 1
    volume_gb: int = 30
    max_run: int = 24 * 3600
    spot: bool = False
    max_wait: int | None = None


@dataclass(frozen=True)
class Fit:
    """The options of ``forest fit``.

    Attributes:
        name: of the job, or empty for one that the request decides.
        attempt: 1, or higher where earlier jobs of this name failed.
        output: S3 prefix of the model, or empty for the place's own.
        checkpoints: S3 prefix; always set with spot.
    """

    place: Place
    shared: Shared
    inputs: tuple[Input, ...]
    hyperparameters: tuple[tuple[str, str], ...]
    metrics: tuple[dict[str, str], ...] = ()
    machines: Machines = field(default_factory=Machines)
    name: str = ""
    attempt: int = 1
    input_mode: str = "File"
    content_type: str = ""
    distribution: str = "FullyReplicated"
    compression: str = ""
    record_wrapper: str = ""
    output: str = ""
    checkpoints: str = ""


def plan(fit: Fit) -> Plan:
    """Bucket, uploads, job."""
    request = job_request(fit)
    name = request["TrainingJobName"]
    step = Step(
        Call("sagemaker", "CreateTrainingJob", request),
        unless=Call("sagemaker", "DescribeTrainingJob", {"TrainingJobName": name}),
        makes=f"training job {name}",
        removed_by=f"forest stop {name}",
    )
    return (*input_steps(fit.place, fit.inputs, fit.shared.kms_key), step)


def input_steps(place: Place, inputs: Sequence[Input], kms_key: str) -> Plan:
    files = [one for one in inputs if one.files]
    uploads = [upload_steps(place, _below(one), one.files, kms_key) for one in files]
    return (*bucket_steps(place), *(step for steps in uploads for step in steps))


def job_request(fit: Fit) -> dict[str, Any]:
    """CreateTrainingJob's request; its name tells the request's digest."""
    body = {**definition(fit), "HyperParameters": dict(fit.hyperparameters)}
    digest = digest_of(body)
    name = fit.name or name_from(_topic(fit), digest, longest=60)
    if fit.attempt > 1:
        name = f"{name}-{fit.attempt}"
    checked_name(name)
    if fit.machines.spot or fit.checkpoints:
        body["CheckpointConfig"] = {"S3Uri": fit.checkpoints or _checkpoints(fit, digest)}
    return {
        "TrainingJobName": name,
        **given(**body),
        "Tags": tags_of(fit.shared.tags, request=digest),
    }


def definition(fit: Fit) -> dict[str, Any]:
    """What a training job and a tuning job's jobs have in common."""
    specification = given(
        TrainingImage=fit.shared.image,
        TrainingInputMode=fit.input_mode,
        MetricDefinitions=list(fit.metrics),
    )
    output = fit.output or fit.place.uri("jobs")
    return given(
        AlgorithmSpecification=specification,
        RoleArn=fit.shared.role,
        InputDataConfig=[channel(one, fit) for one in fit.inputs],
        OutputDataConfig=given(S3OutputPath=output, KmsKeyId=fit.shared.kms_key),
        ResourceConfig=_resources(fit),
        StoppingCondition=stopping(fit.machines),
        EnableManagedSpotTraining=fit.machines.spot or None,
        EnableNetworkIsolation=fit.shared.isolated or None,
        VpcConfig=fit.shared.vpc(),
        Environment=dict(fit.shared.environment),
    )


def channel(one: Input, fit: Fit) -> dict[str, Any]:
    uri = one.uri or fit.place.uri(*_below(one)) + "/"
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": uri,
        "S3DataDistributionType": fit.distribution,
    }
    return given(
        ChannelName=one.channel,
        DataSource={"S3DataSource": source},
        ContentType=fit.content_type,
        CompressionType=fit.compression,
        RecordWrapperType=fit.record_wrapper,
    )


def stopping(machines: Machines) -> dict[str, Any]:
    """With spot, MaxWaitTimeInSeconds is needed and at least the run (CreateTrainingJob).

    Raises:
        DeploymentError: if it is not.
    """
    if not machines.spot:
        if machines.max_wait:
            raise DeploymentError("--max-wait is for spot instances; add --spot or leave it out")
        return {"MaxRuntimeInSeconds": machines.max_run}
    wait = machines.max_wait or 2 * machines.max_run
    if wait < machines.max_run:
        raise DeploymentError(
            f"--max-wait is {wait} s, less than --max-run, {machines.max_run} s; "
            "it counts waiting for spot instances and running together"
        )
    return {"MaxRuntimeInSeconds": machines.max_run, "MaxWaitTimeInSeconds": wait}


def _below(one: Input) -> tuple[str, ...]:
    return ("data", one.channel, together(one.files))


def _topic(fit: Fit) -> str:
    algorithm = dict(fit.hyperparameters).get("algorithm", "forest")
    return algorithm.strip("\"'")


def _checkpoints(fit: Fit, digest: str) -> str:
    return fit.place.uri("checkpoints", digest)


def _resources(fit: Fit) -> dict[str, Any]:
    return given(
        InstanceType=fit.machines.instance_type,
        InstanceCount=fit.machines.instance_count,
        VolumeSizeInGB=fit.machines.volume_gb,
        VolumeKmsKeyId=fit.shared.kms_key,
    )
