"""What an update changes, line by line, for the question before it."""

from collections.abc import Iterator, Mapping
from typing import Any

from mlserver_forest.aws.deploy.endpoint_config import without_nothing
from mlserver_forest.aws.secret_variables import is_secret
from mlserver_forest.aws.step import Answer
from mlserver_forest.aws.traffic_shares import (
    SHADOW,
    all_variants,
    describe_share,
    sampled_share,
    shares_of,
)

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
# The model's name follows from its content, and shares of the traffic are told for all variants.
_SILENT = frozenset({"ModelName", "InitialVariantWeight"})


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """A line for each member that differs, such as "instance count: 1 -> 2".

    Args:
        before: the present members.
        after: the new ones.
    """
    old, new = (dict(_flat("", without_nothing(one))) for one in (before, after))
    return [
        f"{_label(name)}: {_text(name, old.get(name))} -> {_text(name, new.get(name))}"
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name) and name not in _SILENT
    ]


def flat_model(model: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a model, with those of its container beside them."""
    rest = {name: value for name, value in model.items() if name != "PrimaryContainer"}
    return {**model["PrimaryContainer"], **rest}


def variant_changes(before: Answer, after: Answer, found: Answer) -> list[str]:
    """A line for each variant that comes or goes, and for each share of the traffic that differs.

    Args:
        before: the present configuration.
        after: the new one.
        found: the endpoint's description, which has the present weights.
    """
    old, new = ({one["VariantName"]: one for one in all_variants(one)} for one in (before, after))
    lines = [
        f"variant {name}: {_instances(old.get(name))} -> {_instances(new.get(name))}"
        for name in dict.fromkeys((*old, *new))
        if (name in old) != (name in new)
    ]
    shares = _traffic(before, found), _traffic(after)
    return lines + [
        f"traffic of {name}: {shares[0].get(name, 'none')} -> {shares[1].get(name, 'none')}"
        for name in dict.fromkeys((*shares[0], *shares[1]))
        if shares[0].get(name) != shares[1].get(name)
    ]


def _instances(variant: Mapping[str, Any] | None) -> str:
    if variant is None:
        return "none"
    count = variant.get("InitialInstanceCount", 1)
    return f"{count} x {variant.get('InstanceType', 'serverless')}, model {variant['ModelName']}"


def _traffic(configuration: Answer, found: Answer | None = None) -> dict[str, str]:
    """What each variant gets, as text."""
    shares = shares_of(configuration, found)
    copies = {
        str(one["VariantName"]): f"a copy of {describe_share(sampled_share(configuration))}"
        for one in configuration.get(SHADOW) or []
    }
    return {name: describe_share(share) for name, share in shares.items()} | copies


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


def _text(name: str, value: Any) -> str:
    if value is None:
        return "none"
    if name.startswith(_ENVIRONMENT) and is_secret(name.removeprefix(_ENVIRONMENT), str(value)):
        return f"(not shown, {len(str(value))} characters)"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
