"""``forest fit``: a training job."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mlserver_forest.aws.existing import Existing
from mlserver_forest.aws.infrastructure import Infrastructure
from mlserver_forest.aws.local_files import LocalFile, digest_of_files
from mlserver_forest.aws.naming import digest_of, name_from, name_with_end
from mlserver_forest.aws.resource_kinds import TRAINING
from mlserver_forest.aws.sagemaker_job import JobIdentity, SageMakerJob, find_job
from mlserver_forest.aws.step import Plan, members
from mlserver_forest.aws.storage import Storage, bucket_steps, upload_steps
from mlserver_forest.errors import DeploymentError


@dataclass(frozen=True)
class Input:
    """The data of a channel: local files, or data that are already in S3.

    Attributes:
        channel: its name.
        files: local files, which are uploaded under a digest of their bytes.
        uri: the S3 prefix of data that are already there.
        identity: a digest of what the data at ``uri`` are now.
    """

    channel: str
    files: tuple[LocalFile, ...] = ()
    uri: str = ""
    identity: str = ""

    @property
    def prefix(self) -> tuple[str, ...]:
        """The parts of the key below which local files are uploaded; they contain a digest."""
        return ("data", self.channel, digest_of_files(self.files))

    def uri_in(self, storage: Storage) -> str:
        """The S3 prefix that the job reads."""
        return self.uri or storage.uri(*self.prefix) + "/"


@dataclass(frozen=True)
class Machines:
    """The instances that a job runs on, and the largest number of seconds."""

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
        name: the name of the job, or empty for one that contains the request's digest.
        output: the S3 prefix of the model, or empty for this tool's own.
        checkpoints: the S3 prefix of checkpoints; spot instances always have one.
        encrypt_between_hosts: whether traffic between the instances of a job is encrypted.
    """

    storage: Storage
    infrastructure: Infrastructure
    inputs: tuple[Input, ...]
    hyperparameters: tuple[tuple[str, str], ...]
    metrics: tuple[dict[str, str], ...] = ()
    machines: Machines = field(default_factory=Machines)
    name: str = ""
    input_mode: str = "File"
    content_type: str = ""
    distribution: str = "FullyReplicated"
    compression: str = ""
    record_wrapper: str = ""
    output: str = ""
    checkpoints: str = ""
    encrypt_between_hosts: bool = False


def find_training_job(fit: Fit, existing: Existing, *, again: bool) -> SageMakerJob:
    """Find the job that the same options created before, or plan a new one.

    Args:
        fit: the options.
        existing: the account.
        again: whether to create another job even if the same one is running or done.
    """
    return find_job(existing, TRAINING, partial(job_request, fit), again=again)


def plan(fit: Fit, job: SageMakerJob, existing: Existing, poll: float | None = None) -> Plan:
    """The steps: bucket, uploads and job, unless the job exists, and then the wait.

    Args:
        fit: the options.
        job: the training job, or a tuning job on the same inputs.
        existing: the account.
        poll: seconds between two checks, or None not to wait.
    """
    if job.found is not None:
        return (job.step, *job.wait(poll))
    files = [
        (fit.storage.key(*one.prefix, file.name), file) for one in fit.inputs for file in one.files
    ]
    return (
        *bucket_steps(fit.storage, existing),
        *upload_steps(fit.storage, files, existing, fit.infrastructure.kms_key),
        job.step,
        *job.wait(poll),
    )


def job_request(fit: Fit, end: str = "") -> dict[str, Any]:
    """CreateTrainingJob's request, whose name contains the job's digest unless one was chosen.

    Args:
        fit: the options.
        end: the end of the name, such as ``-2`` if an earlier job of this name has failed.
    """
    body = {**definition(fit), "HyperParameters": dict(fit.hyperparameters)}
    identity = identity_of(fit, body)
    algorithm = dict(fit.hyperparameters).get("algorithm", "forest").strip("\"'")
    name = fit.name or name_from(algorithm, identity.digest, longest=60)
    return {
        "TrainingJobName": name_with_end(name, end),
        **members(**body, **checkpoints(fit, identity)),
        "Tags": identity.tags(fit.infrastructure.tags),
    }


def identity_of(fit: Fit, body: Mapping[str, Any]) -> JobIdentity:
    """The identity of a job that trains, or that searches for hyperparameters.

    Args:
        fit: the options.
        body: the request without its name, tags and checkpoints.
    """
    options = [body, fit.checkpoints] if fit.checkpoints else body
    data = {one.channel: one.identity for one in fit.inputs if one.identity}
    return JobIdentity(digest_of(options), digest_of(data) if data else "")


def checkpoints(fit: Fit, identity: JobIdentity) -> dict[str, Any]:
    """The member CheckpointConfig, if there is one; other data have checkpoints of their own."""
    if not fit.machines.spot and not fit.checkpoints:
        return {}
    uri = fit.checkpoints or fit.storage.uri("checkpoints", identity.digest)
    return {"CheckpointConfig": {"S3Uri": uri}}


def definition(fit: Fit) -> dict[str, Any]:
    """The members that a training job and the jobs of a tuning job have in common."""
    shared = fit.infrastructure
    specification = members(
        TrainingImage=shared.image,
        TrainingInputMode=fit.input_mode,
        MetricDefinitions=list(fit.metrics),
    )
    output = fit.output or fit.storage.uri("jobs")
    return members(
        AlgorithmSpecification=specification,
        RoleArn=shared.role,
        InputDataConfig=[_channel(one, fit) for one in fit.inputs],
        OutputDataConfig=members(S3OutputPath=output, KmsKeyId=shared.kms_key),
        ResourceConfig=_resources(fit),
        StoppingCondition=stopping_condition(fit.machines),
        EnableManagedSpotTraining=fit.machines.spot or None,
        EnableNetworkIsolation=shared.isolated or None,
        EnableInterContainerTrafficEncryption=fit.encrypt_between_hosts or None,
        VpcConfig=shared.vpc(),
        Environment=dict(shared.environment),
    )


def stopping_condition(machines: Machines) -> dict[str, Any]:
    """How long a job may run and, with spot instances, how long it may also wait for them.

    Raises:
        DeploymentError: if CreateTrainingJob would refuse them: a wait without spot instances,
            or one that is shorter than the run.
    """
    if not machines.spot:
        if machines.max_wait:
            raise DeploymentError("--max-wait requires spot instances; add --spot or leave it out")
        return {"MaxRuntimeInSeconds": machines.max_run}
    wait = machines.max_wait or 2 * machines.max_run
    if wait < machines.max_run:
        raise DeploymentError(
            f"--max-wait is {wait} s, less than --max-run, {machines.max_run} s; "
            "it covers both the wait for spot instances and the run"
        )
    return {"MaxRuntimeInSeconds": machines.max_run, "MaxWaitTimeInSeconds": wait}


def _channel(one: Input, fit: Fit) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": one.uri_in(fit.storage),
        "S3DataDistributionType": fit.distribution,
    }
    return members(
        ChannelName=one.channel,
        DataSource={"S3DataSource": source},
        ContentType=fit.content_type,
        CompressionType=fit.compression,
        RecordWrapperType=fit.record_wrapper,
    )


def _resources(fit: Fit) -> dict[str, Any]:
    return members(
        InstanceType=fit.machines.instance_type,
        InstanceCount=fit.machines.instance_count,
        VolumeSizeInGB=fit.machines.volume_gb,
        VolumeKmsKeyId=fit.infrastructure.volume_key(fit.machines.instance_type),
    )
