"""Uploads a file to S3 in parts; an upload that was interrupted is resumed.

A key contains the digest of the file's bytes, so an unfinished upload to the same key has the same
bytes, and its parts are the parts that this upload would send. boto3's own transfers always start
from the beginning (docs/decisions.md, Uploads).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlserver_forest.aws.step import Call
from mlserver_forest.errors import DeploymentError

if TYPE_CHECKING:
    from mlserver_forest.aws.client import Aws

_MB = 1 << 20
# S3 accepts parts of 5 MB to 5 GB, and at most 10,000 of them (S3, "multipart upload limits").
_PART = 8 * _MB
_MOST_PARTS = 9_000
_THREADS = 4

# Called with the number of bytes that have been sent.
Progress = Callable[[int], object]


@dataclass(frozen=True)
class Upload:
    """PutObject of a local file, in parts if it is large.

    Attributes:
        call: PutObject without its Body.
        file: the path of the file.
        size: the size of the file in bytes.
    """

    call: Call
    file: str
    size: int

    @property
    def is_in_parts(self) -> bool:
        """Whether it is large enough for a multipart upload, which can be resumed."""
        return self.size > 2 * _PART

    def calls(self) -> list[dict[str, Any]]:
        if not self.is_in_parts:
            return [{**self.call.as_json(), "body_from": self.file}]
        where = {name: self.call.request[name] for name in ("Bucket", "Key")}
        this = {**where, "UploadId": "<the unfinished upload's, or the new one's>"}
        unfinished = _listing(where)
        return [
            unfinished.as_json(),
            {
                **Call("s3", "CreateMultipartUpload", self.call.request).as_json(),
                "unless_found_by": unfinished.as_json(),
            },
            Call("s3", "ListParts", this).as_json(),
            {
                **Call("s3", "UploadPart", {**this, "PartNumber": 1}).as_json(),
                "body_from": self.file,
                "repeated": f"for each of {len(_parts(self.size))} parts that is missing",
            },
            Call("s3", "CompleteMultipartUpload", this).as_json(),
        ]


def upload(aws: "Aws", wanted: Upload, progress: Progress) -> None:
    """Upload a file.

    Raises:
        DeploymentError: saying how much of it is in S3 now.
    """
    if wanted.is_in_parts:
        _upload_in_parts(aws, wanted, progress)
        return
    body = Path(wanted.file).read_bytes()
    aws.call(Call("s3", "PutObject", {**wanted.call.request, "Body": body}))
    progress(wanted.size)


def _upload_in_parts(aws: "Aws", wanted: Upload, progress: Progress) -> None:
    request = wanted.call.request
    where = {"Bucket": request["Bucket"], "Key": request["Key"]}
    upload_id = _unfinished(aws, where)
    if upload_id is None:
        upload_id = aws.call(Call("s3", "CreateMultipartUpload", request))["UploadId"]
    this = {**where, "UploadId": upload_id}
    try:
        tags = _send_missing(aws, this, wanted, progress)
        done = {"Parts": [{"PartNumber": n, "ETag": tags[n]} for n in sorted(tags)]}
        aws.call(Call("s3", "CompleteMultipartUpload", {**this, "MultipartUpload": done}))
    except (DeploymentError, KeyboardInterrupt) as error:
        reason = str(error) or "interrupted"
        raise DeploymentError(f"{reason}; {_describe_unfinished(this, wanted.size)}") from error


def _listing(where: dict[str, Any]) -> Call:
    request = {"Bucket": where["Bucket"], "Prefix": where["Key"]}
    return Call("s3", "ListMultipartUploads", request, items="Uploads")


def _unfinished(aws: "Aws", where: dict[str, Any]) -> str | None:
    """The newest unfinished upload to this key."""
    found = [one for one in aws.call(_listing(where))["Uploads"] if one["Key"] == where["Key"]]
    newest = max(found, key=lambda one: one["Initiated"], default=None)
    return newest and str(newest["UploadId"])


def _parts(size: int) -> list[tuple[int, int, int]]:
    """The number, start and size of each part, which depend only on the size of the file."""
    length = max(_PART, -(-size // (_MOST_PARTS * _MB)) * _MB)
    starts = enumerate(range(0, size, length), 1)
    return [(number, start, min(length, size - start)) for number, start in starts]


def _send_missing(
    aws: "Aws", this: dict[str, Any], wanted: Upload, progress: Progress
) -> dict[int, str]:
    """Send the missing parts; return the ETags of all parts by number."""
    listed = aws.call(Call("s3", "ListParts", this, items="Parts"))["Parts"]
    there = {(one["PartNumber"], one["Size"]): one["ETag"] for one in listed}
    parts = _parts(wanted.size)

    def send(part: tuple[int, int, int]) -> str:
        number, _, size = part
        tag = there.get((number, size)) or _send(aws, this, wanted.file, part)
        progress(size)
        return str(tag)

    with ThreadPoolExecutor(_THREADS) as pool:
        futures = [pool.submit(send, part) for part in parts]
        try:
            return {number: one.result() for (number, *_), one in zip(parts, futures, strict=True)}
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _send(aws: "Aws", this: dict[str, Any], path: str, part: tuple[int, int, int]) -> str:
    number, start, size = part
    with Path(path).open("rb") as file:
        file.seek(start)
        body = file.read(size)
    request = {**this, "PartNumber": number, "Body": body}
    return str(aws.call(Call("s3", "UploadPart", request))["ETag"])


def _describe_unfinished(this: dict[str, Any], size: int) -> str:
    command = (
        f"aws s3api abort-multipart-upload --bucket {this['Bucket']} --key {this['Key']} "
        f"--upload-id {this['UploadId']}"
    )
    return (
        f"a part of the {size:,} bytes is kept in S3 as an unfinished upload, which costs money: "
        f"the same command resumes it, and {command} deletes it"
    )
