"""Where this tool's objects are in S3, and how local files are uploaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.local_files import LocalFile
from mlserver_forest.aws.step import Answer, Call, Plan, Step, members
from mlserver_forest.aws.upload import Upload
from mlserver_forest.errors import DeploymentError

# Metadata with an object's own SHA-256, since S3's ETag depends on the parts.
_CHECKSUM = "sha256"


@dataclass(frozen=True)
class Storage:
    """A bucket, and the prefix of this tool's keys in it.

    Attributes:
        region: such as eu-west-1.
        bucket: the S3 bucket of data and models.
        is_default: whether it is the account's default bucket, which is created if it is missing.
        prefix: the beginning of this tool's keys.
        account: the account that must own the default bucket, because anybody can take a free name.
    """

    region: str
    bucket: str
    is_default: bool = True
    prefix: str = "mlserver-forest"
    account: str = ""

    def uri(self, *parts: str) -> str:
        """The S3 URI of a key below the prefix."""
        return f"s3://{self.bucket}/{self.key(*parts)}"

    def key(self, *parts: str) -> str:
        """A key below the prefix."""
        return "/".join((self.prefix, *parts))


def find_storage(existing: Existing, region: str, bucket: str) -> Storage:
    """Find the storage that ``--bucket`` names.

    Args:
        existing: the account.
        region: the region that is used.
        bucket: BUCKET or s3://BUCKET/PREFIX, or empty for the account's default bucket, whose
            name SageMaker's SDK uses and its managed policies allow.
    """
    if bucket:
        name, prefix = split_uri(bucket if "://" in bucket else f"s3://{bucket}")
        return Storage(region, name, is_default=False, prefix=prefix.strip("/") or Storage.prefix)
    identity = existing.need(Call("sts", "GetCallerIdentity", {}))
    account = "<account>" if identity is UNKNOWN else str(identity["Account"])
    return Storage(region, f"sagemaker-{region}-{account}", account=account)


def split_uri(uri: str) -> tuple[str, str]:
    """s3://bucket/key -> bucket, key.

    Raises:
        DeploymentError: if it is not an S3 URI.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise DeploymentError(f"{uri!r} is not an S3 URI; expected s3://BUCKET/KEY")
    return bucket, key


def bucket_steps(storage: Storage, existing: Existing) -> Plan:
    """The steps for the bucket: the default one is created if missing, and others must exist."""
    if not storage.is_default:
        return ()
    request: dict[str, Any] = {"Bucket": storage.bucket}
    if storage.region != "us-east-1":
        # S3's CreateBucket refuses us-east-1 as a constraint, and needs one everywhere else.
        request["CreateBucketConfiguration"] = {"LocationConstraint": storage.region}
    owner = members(ExpectedBucketOwner=storage.account)
    step = Step(
        Call("s3", "CreateBucket", request),
        found_by=Call("s3", "HeadBucket", {"Bucket": storage.bucket, **owner}),
        makes=f"bucket {storage.bucket}",
        removed_by=f"aws s3 rb s3://{storage.bucket}",
    )
    return (existing.settle(step),)


def upload_steps(
    storage: Storage,
    files: Sequence[tuple[str, LocalFile]],
    existing: Existing,
    kms_key: str = "",
) -> Plan:
    """A step for each file that is not yet in S3 with the same size and checksum.

    Args:
        storage: where they go.
        files: (key, file) pairs.
        existing: the account.
        kms_key: the key that encrypts them, or empty.
    """
    existing.find_together([_object_look_up(storage.bucket, key) for key, _ in files])
    return tuple(_upload_step(storage.bucket, key, file, existing, kms_key) for key, file in files)


def _object_look_up(bucket: str, key: str) -> Call:
    return Call("s3", "HeadObject", {"Bucket": bucket, "Key": key})


def _upload_step(bucket: str, key: str, file: LocalFile, existing: Existing, kms_key: str) -> Step:
    where = {"Bucket": bucket, "Key": key}
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
    request = {**where, "Metadata": {_CHECKSUM: file.sha256}, **encryption}
    step = Step(
        Upload(Call("s3", "PutObject", request), file.path, file.size),
        found_by=_object_look_up(bucket, key),
        makes=f"s3://{bucket}/{key}",
        removed_by=f"aws s3 rm s3://{bucket}/{key}",
    )
    return existing.settle(
        step,
        is_same=lambda found: (
            found.get("ContentLength") == file.size
            and (not kms_key or _is_encrypted_with(kms_key, found))
            and found.get("Metadata", {}).get(_CHECKSUM) == file.sha256
        ),
    )


def _is_encrypted_with(key: str, found: Answer) -> bool:
    """Whether an object has this key; S3 says the key's ARN, which no alias can be compared with.

    The file is uploaded again when in doubt.
    """
    used = str(found.get("SSEKMSKeyId", ""))
    return bool(used) and used.rpartition("/")[2] == key.rpartition("/")[2]
