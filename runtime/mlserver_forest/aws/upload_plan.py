"""Local files on their way to S3, under keys that tell what is in them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from mlserver_forest.aws.place import Place
from mlserver_forest.aws.steps import Call, Plan, Step, given

# Where an object's own SHA-256 is written down, since S3's ETag depends on the parts.
CHECKSUM = "sha256"


@dataclass(frozen=True)
class LocalFile:
    """A file that was read once.

    Attributes:
        path: where it lies.
        name: its name below the prefix, with / between folders.
        size: bytes.
        sha256: of its bytes, hexadecimal.
    """

    path: str
    name: str
    size: int
    sha256: str


def together(files: Sequence[LocalFile]) -> str:
    """Sixteen digits for the files' names and bytes: the same data go to the same prefix."""
    lines = sorted(f"{file.sha256} {file.name}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def upload_steps(
    place: Place, prefix: Sequence[str], files: Sequence[LocalFile], kms_key: str = ""
) -> Plan:
    """One step per file; what is there with the same size and checksum is left."""
    return tuple(upload_step(place.bucket, place.key(*prefix, f.name), f, kms_key) for f in files)


def upload_step(bucket: str, key: str, file: LocalFile, kms_key: str = "") -> Step:
    where = {"Bucket": bucket, "Key": key}
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
    request = given(**where, Metadata={CHECKSUM: file.sha256}, **encryption)
    return Step(
        Call("s3", "PutObject", request),
        unless=Call("s3", "HeadObject", where),
        makes=f"s3://{bucket}/{key}",
        removed_by=f"aws s3 rm s3://{bucket}/{key}",
        file=file.path,
    )
