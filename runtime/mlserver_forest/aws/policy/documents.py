"""IAM policies as documents: what commands need, what the role needs, and who may assume it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.command_calls import COMMAND_CALLS
from mlserver_forest.aws.iam_actions import (
    BUCKET,
    CALL_PERMISSIONS,
    LOGS,
    OBJECTS,
    PIPELINE_ROLE,
    REPOSITORY,
    Permission,
)

_VERSION = "2012-10-17"


@dataclass(frozen=True)
class PolicyPlaces:
    """What the ARNs of a policy name; * stands for any.

    Attributes:
        region: such as eu-west-1.
        account: twelve digits.
        bucket: the bucket of data and models; it may end in *.
        repository: the name in ECR.
        role: the name of SageMaker's role, with its path.
        kms_key: the ARN of a key, or empty.
        data: further buckets that are read.
        is_in_vpc: whether jobs and endpoints run in a VPC of the account.
        has_pipelines: whether the role runs pipelines, too.
    """

    region: str = "*"
    account: str = "*"
    bucket: str = "sagemaker-*"
    repository: str = "mlserver-forest"
    role: str = "*"
    kms_key: str = ""
    data: tuple[str, ...] = ()
    is_in_vpc: bool = False
    has_pipelines: bool = False

    @property
    def partition(self) -> str:
        """AWS's partition: that of China and of the US government have regions of their own."""
        names = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
        found = (name for prefix, name in names.items() if self.region.startswith(prefix))
        return next(found, "aws")

    def fill(self, arn: str) -> str:
        """The ARN with the names in place of {region} and the others."""
        named = {
            "region": self.region,
            "account": self.account,
            "bucket": self.bucket,
            "repository": self.repository,
            "role": self.role,
        }
        return arn.format(**named).replace("arn:aws:", f"arn:{self.partition}:")


def user_policy(commands: Iterable[str], places: PolicyPlaces) -> dict[str, Any]:
    """The policy of somebody who runs the commands."""
    calls = dict.fromkeys(call for name in commands for call in COMMAND_CALLS[name])
    needed = [one for call in calls for one in CALL_PERMISSIONS[call]]
    return _document([*needed, *_extra_buckets(needed, places), *_key(places)], places)


def role_policy(places: PolicyPlaces) -> dict[str, Any]:
    """The policy of the role with which SageMaker runs jobs and endpoints.

    Source: SageMaker's guide, "How to use SageMaker AI execution roles", which has the actions for
    CreateTrainingJob, CreateModel and CreateTransformJob, for KMS keys and for a VPC.
    """
    needed = [
        *_ROLE_PERMISSIONS,
        *(_VPC_PERMISSIONS if places.is_in_vpc else ()),
        *(PIPELINE_ROLE if places.has_pipelines else ()),
    ]
    return _document([*needed, *_extra_buckets(needed, places), *_key(places)], places)


def trust_policy(*, is_scheduled: bool = False) -> dict[str, Any]:
    """The trust policy of the role: SageMaker may assume it.

    Args:
        is_scheduled: whether EventBridge Scheduler may, too, which starts pipelines with it.
    """
    sagemaker, scheduler = "sagemaker.amazonaws.com", "scheduler.amazonaws.com"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": [sagemaker, scheduler] if is_scheduled else sagemaker},
        "Action": "sts:AssumeRole",
    }
    return {"Version": _VERSION, "Statement": [statement]}


_ROLE_PERMISSIONS = (
    Permission("s3:ListBucket", BUCKET),
    Permission("s3:GetObject", OBJECTS),
    Permission("s3:PutObject", OBJECTS),
    Permission("ecr:GetAuthorizationToken"),
    *(
        Permission(f"ecr:{name}", REPOSITORY)
        for name in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
    ),
    *(
        Permission(f"logs:{name}", LOGS)
        for name in ("CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents")
    ),
    Permission("cloudwatch:PutMetricData"),
    # Only for endpoints with --success-topic or --error-topic.
    Permission("sns:Publish", ("arn:aws:sns:{region}:{account}:*sagemaker*",)),
)
_VPC_PERMISSIONS = tuple(
    Permission(f"ec2:{name}")
    for name in (
        "CreateNetworkInterface",
        "CreateNetworkInterfacePermission",
        "DeleteNetworkInterface",
        "DeleteNetworkInterfacePermission",
        "DescribeDhcpOptions",
        "DescribeNetworkInterfaces",
        "DescribeSecurityGroups",
        "DescribeSubnets",
        "DescribeVpcs",
    )
)


def _extra_buckets(needed: Sequence[Permission], places: PolicyPlaces) -> list[Permission]:
    """Reading of the further buckets, if the bucket itself is read."""
    reads = {"s3:GetObject", "s3:ListBucket"} & {one.action for one in needed}
    buckets = [f"arn:aws:s3:::{name}" for name in places.data]
    resources = {"s3:ListBucket": buckets, "s3:GetObject": [f"{one}/*" for one in buckets]}
    return [Permission(one, tuple(resources[one])) for one in sorted(reads) if buckets]


def _key(places: PolicyPlaces) -> list[Permission]:
    """The use of a key, as SageMaker's guide on execution roles lists it."""
    names = ("CreateGrant", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey")
    return [Permission(f"kms:{name}", (places.kms_key,)) for name in names if places.kms_key]


def _document(needed: Iterable[Permission], places: PolicyPlaces) -> dict[str, Any]:
    """One statement for all actions with the same resources and the same condition."""
    resources: dict[tuple[str, Any], set[str]] = {}
    for one in needed:
        resources.setdefault((one.action, one.condition), set()).update(one.resources)
    actions: dict[tuple[Any, Any], list[str]] = {}
    for (action, condition), found in resources.items():
        actions.setdefault((tuple(sorted(found)), condition), []).append(action)
    statements = [
        {
            "Effect": "Allow",
            "Action": sorted(names),
            "Resource": [places.fill(arn) for arn in arns],
            **({"Condition": _condition(condition)} if condition else {}),
        }
        for (arns, condition), names in actions.items()
    ]
    return {"Version": _VERSION, "Statement": sorted(statements, key=lambda one: one["Action"])}


def _condition(rows: Sequence[tuple[str, str, str]]) -> Mapping[str, Mapping[str, str]]:
    return {operator: {key: value} for operator, key, value in rows}
