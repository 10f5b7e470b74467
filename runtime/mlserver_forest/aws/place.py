"""Where things go: account, region, bucket; and what every resource shares."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.steps import Call, Plan, Step, given
from mlserver_forest.errors import DeploymentError

# The tag by which this tool knows what it made, and the one that names the endpoint it is for.
OURS = ("created-by", "mlserver-forest")
FOR_ENDPOINT = "mlserver-forest:endpoint"
PREVIOUS = "mlserver-forest:previous"
REQUEST = "mlserver-forest:request"
# SageMaker's names: CreateModel, CreateEndpoint, CreateTrainingJob; shorter for tuning jobs (32).
_NAME = re.compile(r"[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}")


@dataclass(frozen=True)
class Place:
    """The account's parts that requests name.

    Attributes:
        region: such as eu-west-1.
        bucket: the S3 bucket of data and models.
        is_own_bucket: whether the bucket is the account's default one, which is made if missing.
        prefix: what the keys of this tool begin with.
        account: whose the default bucket must be: anybody can take a name that is free.
    """

    region: str
    bucket: str
    is_own_bucket: bool = True
    prefix: str = "mlserver-forest"
    account: str = ""

    def uri(self, *parts: str) -> str:
        return f"s3://{self.bucket}/{self.key(*parts)}"

    def key(self, *parts: str) -> str:
        return "/".join((self.prefix, *parts))


@dataclass(frozen=True)
class Shared:
    """What jobs and endpoints have in common.

    Attributes:
        role: ARN of the role that SageMaker takes.
        image: URI of the image in ECR.
        tags: of the user.
        subnets, security_groups: of the VPC, or empty.
        kms_key: for volumes, outputs and captured data, or empty.
        isolated: whether the container has no network.
        environment: the container's variables.
    """

    role: str
    image: str
    tags: tuple[tuple[str, str], ...] = ()
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    kms_key: str = ""
    isolated: bool = False
    environment: tuple[tuple[str, str], ...] = ()

    def vpc(self) -> dict[str, Any]:
        if not self.subnets and not self.security_groups:
            return {}
        return {"Subnets": list(self.subnets), "SecurityGroupIds": list(self.security_groups)}


def tags_of(user: Sequence[tuple[str, str]], **ours: str) -> list[dict[str, str]]:
    """The user's tags behind the tool's own; ``ours`` by FOR_ENDPOINT and the like."""
    merged = {OURS[0]: OURS[1], **{f"mlserver-forest:{name}": ours[name] for name in ours}}
    merged.update(user)
    return [{"Key": key, "Value": value} for key, value in merged.items()]


def digest_of(document: Any) -> str:
    """Ten hexadecimal digits that stand for a request: the same options give the same name."""
    text = json.dumps(document, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def checked_name(name: str, longest: int = 63) -> str:
    """A name that SageMaker takes.

    Raises:
        DeploymentError: if it does not.
    """
    if not _NAME.fullmatch(name) or len(name) > longest:
        raise DeploymentError(
            f"{name!r} is no name for SageMaker; expected letters, digits and hyphens inside, "
            f"{longest} characters at most"
        )
    return name


def name_from(text: str, suffix: str, longest: int = 63) -> str:
    """A valid name: as much of ``text`` as fits before the suffix."""
    words = re.sub(r"[^a-zA-Z0-9-]+", "-", text).strip("-") or "forest"
    return checked_name(f"{words[: longest - len(suffix) - 1].strip('-')}-{suffix}", longest)


def split_uri(uri: str) -> tuple[str, str]:
    """s3://bucket/key -> bucket, key.

    Raises:
        DeploymentError: if it is no S3 URI.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise DeploymentError(f"{uri!r} is no S3 URI; expected s3://BUCKET/KEY")
    return bucket, key


def bucket_steps(place: Place) -> Plan:
    """The account's default bucket is made if it is missing, closed to the public."""
    if not place.is_own_bucket:
        return ()
    request: dict[str, Any] = {"Bucket": place.bucket}
    if place.region != "us-east-1":
        # S3's CreateBucket refuses us-east-1 as a constraint, and needs one everywhere else.
        request["CreateBucketConfiguration"] = {"LocationConstraint": place.region}
    owner = given(ExpectedBucketOwner=place.account)
    found = Call("s3", "HeadBucket", {"Bucket": place.bucket, **owner})
    return (
        Step(
            Call("s3", "CreateBucket", request),
            unless=found,
            makes=f"bucket {place.bucket}",
            removed_by=f"aws s3 rb s3://{place.bucket}",
        ),
    )
