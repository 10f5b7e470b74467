"""The request of a processing job: CreateProcessingJob's members without the job's name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.infrastructure import Infrastructure
from mlserver_forest.aws.naming import tag_list
from mlserver_forest.aws.step import members

# Where SageMaker lays inputs and takes outputs from ("How Amazon SageMaker Processing runs your
# processing container image").
_ROOT = "/opt/ml/processing"


@dataclass(frozen=True)
class Machine:
    """The instance that a processing job runs on, and the largest number of seconds."""

    instance_type: str
    volume_gb: int
    max_run: int


@dataclass(frozen=True)
class ProcessingRequest:
    """What a processing job runs.

    Attributes:
        image: the image.
        entrypoint: its command; the image's own if it is empty.
        arguments: the words after it.
        inputs, outputs: S3 URIs, or expressions, by name; see ``local_path``.
    """

    image: str
    entrypoint: tuple[str, ...]
    arguments: tuple[str, ...]
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]

    def members(self, shared: Infrastructure, machine: Machine) -> dict[str, Any]:
        """The request.

        Args:
            shared: the role, the network and the keys.
            machine: what the job runs on.
        """
        cluster = members(
            InstanceType=machine.instance_type,
            InstanceCount=1,
            VolumeSizeInGB=machine.volume_gb,
            VolumeKmsKeyId=shared.volume_key(machine.instance_type),
        )
        outputs = {
            "Outputs": [_output(name, uri) for name, uri in self.outputs.items()],
            **members(KmsKeyId=shared.kms_key),
        }
        application = members(
            ImageUri=self.image,
            ContainerEntrypoint=list(self.entrypoint),
            ContainerArguments=list(self.arguments),
        )
        network = members(EnableNetworkIsolation=shared.isolated or None, VpcConfig=shared.vpc())
        return members(
            ProcessingInputs=[_input(name, uri) for name, uri in self.inputs.items()],
            ProcessingOutputConfig=outputs,
            ProcessingResources={"ClusterConfig": cluster},
            StoppingCondition={"MaxRuntimeInSeconds": machine.max_run},
            AppSpecification=application,
            Environment=dict(shared.environment),
            NetworkConfig=network,
            RoleArn=shared.role,
            Tags=tag_list(shared.tags),
        )


def local_path(name: str) -> str:
    """Where the container finds an input, or writes an output."""
    return f"{_ROOT}/{name}"


def _input(name: str, uri: Any) -> dict[str, Any]:
    source = {
        "S3Uri": uri,
        "LocalPath": local_path(name),
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }
    return {"InputName": name, "S3Input": source}


def _output(name: str, uri: Any) -> dict[str, Any]:
    target = {"S3Uri": uri, "LocalPath": local_path(name), "S3UploadMode": "EndOfJob"}
    return {"OutputName": name, "S3Output": target}
