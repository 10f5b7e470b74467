"""What an update changes, line by line, for the question before it."""

from collections.abc import Iterator, Mapping
from typing import Any

from mlserver_forest.aws.deploy.endpoint_config import without_nothing

# AWS's members, as forest deploy calls them; all others keep AWS's names.
_LABELS = {
    "InstanceType": "instance type",
    "InitialInstanceCount": "instance count",
    "VolumeSizeInGB": "volume (GB)",
    "ContainerStartupHealthCheckTimeoutInSeconds": "startup timeout",
    "ModelDataDownloadTimeoutInSeconds": "download timeout",
    "ServerlessConfig.MemorySizeInMB": "memory (MB)",
    "ServerlessConfig.MaxConcurrency": "concurrency",
    "ServerlessConfig.ProvisionedConcurrency": "provisioned concurrency",
    "DataCaptureConfig.EnableCapture": "capture",
    "DataCaptureConfig.InitialSamplingPercentage": "capture percent",
    "DataCaptureConfig.DestinationS3Uri": "capture URI",
    "AsyncInferenceConfig.OutputConfig.S3OutputPath": "async output",
    "AsyncInferenceConfig.OutputConfig.S3FailurePath": "async failures",
    "AsyncInferenceConfig.ClientConfig.MaxConcurrentInvocationsPerInstance": "concurrency",
    "AsyncInferenceConfig.OutputConfig.NotificationConfig.SuccessTopic": "success topic",
    "AsyncInferenceConfig.OutputConfig.NotificationConfig.ErrorTopic": "error topic",
    "KmsKeyId": "KMS key",
    "Image": "image",
    "ModelDataUrl": "model data",
    "ModelPackageName": "model package",
    "ExecutionRoleArn": "role",
    "EnableNetworkIsolation": "network isolation",
    "VpcConfig.Subnets": "subnets",
    "VpcConfig.SecurityGroupIds": "security groups",
}
_ENVIRONMENT = "Environment."
# The model's name follows from its content.
_SILENT = frozenset({"ModelName"})


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """A line for each member that differs, such as "instance count: 1 -> 2".

    Args:
        before: the present members.
        after: the new ones.
    """
    old, new = (dict(_flat("", without_nothing(one))) for one in (before, after))
    return [
        f"{_label(name)}: {_text(old.get(name))} -> {_text(new.get(name))}"
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name) and name not in _SILENT
    ]


def flat_model(model: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a model, with those of its container beside them."""
    rest = {name: value for name, value in model.items() if name != "PrimaryContainer"}
    return {**model["PrimaryContainer"], **rest}


def flat_configuration(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a configuration, with those of its variant beside them."""
    (variant,) = configuration["ProductionVariants"]
    rest = {name: value for name, value in configuration.items() if name != "ProductionVariants"}
    return {**variant, **rest}


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else name, one)
    else:
        yield prefix, value


def _label(name: str) -> str:
    if name.startswith(_ENVIRONMENT):
        return f"env {name.removeprefix(_ENVIRONMENT)}"
    return _LABELS.get(name, name)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
