"""What AWS takes, in words, and AWS's limits that the models of its services do not have."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import category


@dataclass(frozen=True)
class ServiceLimit:
    """A rule of AWS that its service models do not have.

    Attributes:
        accepts: returns whether AWS takes a value.
        expected: what it takes, in words.
        source: where AWS documents it.
    """

    accepts: Callable[[Any], bool]
    expected: str
    source: str


_KEY = (
    "a KMS key: its id (1234abcd-12ab-34cd-56ef-1234567890ab), alias/NAME, or an ARN of either "
    "(arn:aws:kms:REGION:ACCOUNT:key/ID)"
)
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_KMS = re.compile(
    rf"(?:arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{{12}}:)?"
    rf"(?:(?:(?<=:)key/)?(?:{_UUID}|mrk-[0-9a-f]{{32}})|alias/[a-zA-Z0-9/_-]+)"
)
_S3_PREFIX = "an S3 URI: s3://BUCKET/PREFIX"
_BUCKET = (
    "the name of a bucket: 3 to 63 lowercase letters, digits, dots and hyphens, with a letter or "
    "a digit at both ends"
)
# Old buckets of us-east-1 may have capital letters, underscores and up to 255 characters; an access
# point's ARN stands for a bucket.
_ANY_BUCKET = re.compile(r"[a-zA-Z0-9._-]{1,255}|arn:\S+")

# What a well-known pattern means, by the name of the shape.
_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("S3Uri", "S3ModelUri", "Url", "DestinationS3Uri"), _S3_PREFIX),
    "InputLocationHeader": "an S3 URI: s3://BUCKET/KEY",
    "KmsKeyId": _KEY,
    "KmsKey": _KEY,
    "RoleArn": "the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME",
    "roleNameType": "the name of a role: letters, digits and +=,.@_-, or its ARN",
    "SnsTopicArn": "the ARN of an SNS topic: arn:aws:sns:REGION:ACCOUNT:NAME",
    "TagKey": "a tag's key: letters, digits, spaces and _.:/=+-@",
    "TagValue": "a tag's value: letters, digits, spaces and _.:/=+-@",
    "SubnetId": "a subnet's id, such as subnet-0123456789abcdef0",
    "SecurityGroupId": "a security group's id, such as sg-0123456789abcdef0",
    "ContainerImage": "an image's URI without spaces",
    "AlarmName": "the name of a CloudWatch alarm",
    "RepositoryName": (
        "a repository's name: lowercase letters and digits, with single dots, underscores, "
        "hyphens and slashes between them"
    ),
    **dict.fromkeys(
        (
            "EnvironmentKey",
            "TrainingEnvironmentKey",
            "HyperParameterTrainingJobEnvironmentKey",
            "TransformEnvironmentKey",
        ),
        "a variable's name: letters, digits and underscores, not beginning with a digit",
    ),
    **dict.fromkeys(
        (
            "EndpointName",
            "EndpointConfigName",
            "TrainingJobName",
            "TransformJobName",
            "HyperParameterTuningJobName",
            "ModelName",
            "VariantName",
            "TargetVariantHeader",
            "EntityName",
            "ArnOrName",
        ),
        "a name of letters and digits, with hyphens between them",
    ),
    "CustomAttributesHeader": "ASCII characters",
    "LogGroupName": "the name of a log group",
}

# What the items of a list are, by the name of the shape.
ITEMS: Mapping[str, str] = {
    "TagList": "tags, with this tool's own",
    "Subnets": "subnets",
    "VpcSecurityGroupIds": "security groups",
    "AlarmList": "alarms",
    "ParameterValues": "choices",
}

# By the name of a shape, or by the last two names of a member's path.
MORE_LIMITS: Mapping[str, ServiceLimit] = {
    **dict.fromkeys(
        ("KmsKeyId", "SSEKMSKeyId", "KmsKey"),
        ServiceLimit(
            lambda key: not key or _KMS.fullmatch(key) is not None,
            _KEY,
            "SageMaker API, OutputDataConfig: the formats of KmsKeyId",
        ),
    ),
    "EntityDescription": ServiceLimit(
        lambda text: not any(category(one).startswith("C") for one in text),
        "text without control characters, such as line ends",
        "SageMaker API, CreateModelPackage: the pattern of ModelPackageDescription",
    ),
    "TagKey": ServiceLimit(
        lambda key: not key.lower().startswith("aws:"),
        "another key: AWS reserves those that begin with aws:",
        "Tagging AWS resources, tag naming limits",
    ),
    "CreateRepository.tags": ServiceLimit(
        lambda tags: len(tags) <= 50, "at most 50 tags", "ECR, Tag basics: tag restrictions"
    ),
    "BucketName": ServiceLimit(
        lambda name: _ANY_BUCKET.fullmatch(name) is not None,
        _BUCKET,
        "S3, General purpose bucket naming rules",
    ),
    "ObjectKey": ServiceLimit(
        lambda key: len(key.encode()) <= 1024,
        "a key of at most 1,024 bytes",
        "S3, Creating object key names",
    ),
    "AlgorithmImage": ServiceLimit(
        lambda image: not re.search(r"\s", image),
        _WORDS["ContainerImage"],
        "SageMaker API, ContainerDefinition: the pattern of Image",
    ),
    "ResourceConfig.VolumeSizeInGB": ServiceLimit(
        lambda size: size <= 16_384,
        "at most 16384 GB",
        "EBS, General Purpose SSD volumes: 1 GiB to 16 TiB",
    ),
    "SubnetId": ServiceLimit(
        lambda name: name.startswith("subnet-"),
        "a subnet's id, such as subnet-0123456789abcdef0",
        "VPC, resource ids",
    ),
    "SecurityGroupId": ServiceLimit(
        lambda name: name.startswith("sg-"),
        "a security group's id, such as sg-0123456789abcdef0",
        "VPC, resource ids",
    ),
    "StoppingCondition.MaxRuntimeInSeconds": ServiceLimit(
        lambda seconds: seconds <= 28 * 86_400,
        "1 to 2419200 (28 days)",
        "SageMaker API, StoppingCondition: the maximum value is 28 days",
    ),
    "LinearStepSize.Value": ServiceLimit(
        lambda percent: 10 <= percent <= 50,
        "10 to 50 percent with linear traffic",
        "SageMaker API, TrafficRoutingConfig: LinearStepSize must be 10-50%",
    ),
    "CanarySize.Value": ServiceLimit(
        lambda percent: percent <= 50,
        "at most 50 percent with a canary",
        "SageMaker API, TrafficRoutingConfig: CanarySize must be at most 50%",
    ),
    "HyperParameterTuningJobConfig.ParameterRanges": ServiceLimit(
        lambda ranges: sum(map(len, ranges.values())) <= 30,
        "at most 30 ranges in all",
        "SageMaker API, ParameterRanges: the sum for all the ranges",
    ),
    "ProductionVariantServerlessConfig": ServiceLimit(
        lambda one: one.get("ProvisionedConcurrency", 0) <= one.get("MaxConcurrency", 200),
        "no more provisioned than concurrent calls",
        "SageMaker API, ProductionVariantServerlessConfig: ProvisionedConcurrency",
    ),
    "CreateTransformJob": ServiceLimit(
        lambda one: one.get("MaxPayloadInMB", 0) * one.get("MaxConcurrentTransforms", 1) <= 100,
        "a payload in MB times concurrent calls of at most 100",
        "SageMaker API, CreateTransformJob: MaxPayloadInMB",
    ),
    "RegisterScalableTarget": ServiceLimit(
        lambda one: one.get("MinCapacity", 0) <= one.get("MaxCapacity", 1 << 31),
        "a minimum not above the maximum",
        "Application Auto Scaling API, RegisterScalableTarget",
    ),
}


# The families of SageMaker's instances with local disks (EC2's guide, "Instance store volumes").
_WITH_LOCAL_DISKS = re.compile(
    r"ml\.(?:[cmr][5-8]g?d[a-z]*|[cmr][6-8]id[a-z]*|dl1|g[4-9][a-z]*|i[3-8][a-z]*|p3dn"
    r"|p[4-9][a-z0-9-]*|trn[12][a-z]*)\..+"
)


def has_local_disks(instance_type: str) -> bool:
    """Whether the disks of an instance are local ones, which hardware encrypts.

    AWS refuses a key for the volumes of such an instance (SageMaker API, ResourceConfig:
    VolumeKmsKeyId).
    """
    return _WITH_LOCAL_DISKS.fullmatch(instance_type) is not None


def describe_value(shape: str, value: str, *, words: Sequence[str] = (), pattern: str = "") -> str:
    """What a string should be.

    Args:
        shape: the name of the string's shape.
        value: what came; a word that is close to it is named.
        words: all the words that AWS takes, if it takes only some.
        pattern: the pattern that it should match.
    """
    if not words:
        return _WORDS.get(shape) or f"a value that matches {pattern}"
    close = difflib.get_close_matches(f"ml.{value.removeprefix('ml.')}", words, 1, 0.8)
    close = close or difflib.get_close_matches(value, words, 1, 0.8)
    guess = f"; did you mean {close[0]}?" if close else ""
    if not shape.endswith("InstanceType"):
        return f"one of {', '.join(words)}{guess}"
    return (
        f"an instance type of SageMaker, such as ml.m5.large{guess} (boto3 knows {len(words)} of "
        "them; upgrade it for one that is newer)"
    )
