"""Captured data in S3: the files of an endpoint's variants since a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlserver_forest.aws.existing import Existing
from mlserver_forest.aws.parallel_calls import in_parallel
from mlserver_forest.aws.step import Answer, Call
from mlserver_forest.aws.storage import split_uri

if TYPE_CHECKING:
    from mlserver_forest.aws.client import Aws

# What a command reads at most; the newest files are read.
MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class ReadCaptured:
    """Read the files of captured data below prefixes in S3.

    Attributes:
        prefixes: S3 URIs, such as s3://bucket/captured/ENDPOINT/VARIANT.
        since: the first hour, in UTC, whose folder is right below each prefix; None for all of
            them, however deep.
        most_bytes: the bytes that are read at most, of the newest files.
    """

    prefixes: tuple[str, ...]
    since: datetime | None = None
    most_bytes: int = MOST_BYTES

    def listings(self) -> list[Call]:
        """The calls that list the files, in the order of the prefixes."""
        return [_listing(prefix, self.since) for prefix in self.prefixes]

    def calls(self) -> list[dict[str, Any]]:
        listings = self.listings()
        each = [
            Call("s3", "GetObject", {"Bucket": one.request["Bucket"], "Key": "<each>"})
            for one in listings[:1]
        ]
        return [
            *(one.as_json() for one in listings),
            *({**one.as_json(), "repeated": "for each object"} for one in each),
        ]


def variants_below(existing: Existing, uri: str) -> tuple[str, ...]:
    """The prefixes of all variants whose data an endpoint captured, also of those that are gone.

    Args:
        existing: the account.
        uri: the prefix of the endpoint's captured data.
    """
    bucket, prefix = split_uri(uri.rstrip("/") + "/")
    request = {"Bucket": bucket, "Prefix": prefix, "Delimiter": "/"}
    found = existing.items(Call("s3", "ListObjectsV2", request, items="CommonPrefixes"))
    return tuple(f"s3://{bucket}/{one['Prefix'].rstrip('/')}" for one in found)


def read_captured(aws: "Aws", wanted: ReadCaptured) -> Answer:
    """Read the files.

    Returns:
        ``Files``: (key, bytes) pairs, in the order of the keys; ``Left``: how many older files were
        not read.

    Raises:
        Refused: if they cannot be listed or read.
    """
    found = [
        (str(call.request["Bucket"]), one)
        for call in wanted.listings()
        for one in aws.call(call)["Contents"]
        if str(one["Key"]).endswith(".jsonl")
    ]
    chosen = _newest(found, wanted.most_bytes)

    def read(one: tuple[str, dict[str, Any]]) -> tuple[str, bytes]:
        bucket, item = one
        call = Call("s3", "GetObject", {"Bucket": bucket, "Key": item["Key"]})
        return str(item["Key"]), b"".join(aws.blocks(call, aws.call(call)))

    files = in_parallel(read, chosen)
    return {"Files": sorted(files), "Left": len(found) - len(chosen)}


def _listing(prefix: str, since: datetime | None) -> Call:
    bucket, key = split_uri(prefix.rstrip("/") + "/")
    request = {"Bucket": bucket, "Prefix": key}
    if since is not None:
        # The keys of an hour's files come after that of their folder.
        request["StartAfter"] = f"{key}{since:%Y/%m/%d/%H}"
    return Call("s3", "ListObjectsV2", request, items="Contents")


def _newest(
    found: Sequence[tuple[str, dict[str, Any]]], most_bytes: int
) -> list[tuple[str, dict[str, Any]]]:
    """As many of the newest files as there is room for, and at least one."""
    chosen: list[tuple[str, dict[str, Any]]] = []
    room = most_bytes
    for one in sorted(found, key=lambda one: one[1]["LastModified"], reverse=True):
        room -= one[1]["Size"]
        if room < 0 and chosen:
            break
        chosen.append(one)
    return chosen
