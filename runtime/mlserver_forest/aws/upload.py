"""One file to S3, in parts: interrupted, it goes on where it was.

Keys tell what is in the file, so that an unfinished upload of a key is one of the same bytes, and
its parts are those that this one would send.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserver_forest.aws.client import Aws
from mlserver_forest.aws.steps import Call
from mlserver_forest.errors import DeploymentError

_MB = 1 << 20
# S3 takes parts of 5 MB to 5 GB, 10,000 at most.
_PART = 8 * _MB
_MOST_PARTS = 9_000
_THREADS = 4

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Part:
    number: int
    start: int
    size: int


def is_there(found: dict[str, Any], size: int, checksum: str) -> bool:
    """Whether HeadObject's answer is about these bytes."""
    metadata = found.get("Metadata", {})
    return bool(found.get("ContentLength") == size and metadata.get("sha256") == checksum)


def upload(aws: Aws, request: dict[str, Any], path: Path, progress: Progress) -> None:
    """PutObject's request with the file as its body.

    Raises:
        DeploymentError: saying what of it is in S3 now.
    """
    size = path.stat().st_size
    if size <= 2 * _PART:
        aws.call("s3", "PutObject", {**request, "Body": path.read_bytes()})
        progress(size)
        return
    _in_parts(aws, request, path, size, progress)


def parts_of(size: int) -> Iterator[Part]:
    """The same cuts for the same size."""
    length = max(_PART, -(-size // (_MOST_PARTS * _MB)) * _MB)
    for number, start in enumerate(range(0, size, length), 1):
        yield Part(number, start, min(length, size - start))


def _in_parts(aws: Aws, request: dict[str, Any], path: Path, size: int, progress: Progress) -> None:
    where = {"Bucket": request["Bucket"], "Key": request["Key"]}
    upload_id = _unfinished(aws, where)
    if upload_id is None:
        upload_id = aws.call("s3", "CreateMultipartUpload", request)["UploadId"]
    this = {**where, "UploadId": upload_id}
    try:
        tags = _send_missing(aws, this, path, size, progress)
        done = {"Parts": [{"PartNumber": n, "ETag": tags[n]} for n in sorted(tags)]}
        aws.call("s3", "CompleteMultipartUpload", {**this, "MultipartUpload": done})
    except (DeploymentError, KeyboardInterrupt) as error:
        raise DeploymentError(f"{_reason(error)}; {_half_made(this, size)}") from error


def _unfinished(aws: Aws, where: dict[str, str]) -> str | None:
    """The newest upload of this key that was begun and not ended."""
    call = Call("s3", "ListMultipartUploads", {"Bucket": where["Bucket"], "Prefix": where["Key"]})
    found = [one for one in aws.pages(call, "Uploads") if one["Key"] == where["Key"]]
    found.sort(key=lambda one: one["Initiated"])
    return str(found[-1]["UploadId"]) if found else None


def _send_missing(
    aws: Aws, this: dict[str, str], path: Path, size: int, progress: Progress
) -> dict[int, str]:
    """Part number -> ETag, of those that were there and those that were sent."""
    there = {one["PartNumber"]: one for one in aws.pages(Call("s3", "ListParts", this), "Parts")}
    tags: dict[int, str] = {}
    missing: list[Part] = []
    for part in parts_of(size):
        if part.number in there and there[part.number]["Size"] == part.size:
            tags[part.number] = there[part.number]["ETag"]
            progress(part.size)
        else:
            missing.append(part)
    with ThreadPoolExecutor(_THREADS) as pool:
        futures = {
            part.number: pool.submit(_send, aws, this, path, part, progress) for part in missing
        }
        try:
            for number, future in futures.items():
                tags[number] = future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return tags


def _send(aws: Aws, this: dict[str, str], path: Path, part: Part, progress: Progress) -> str:
    with path.open("rb") as file:
        file.seek(part.start)
        body = file.read(part.size)
    answer = aws.call("s3", "UploadPart", {**this, "PartNumber": part.number, "Body": body})
    progress(part.size)
    return str(answer["ETag"])


def _reason(error: BaseException) -> str:
    return str(error) or "interrupted"


def _half_made(this: dict[str, str], size: int) -> str:
    command = (
        f"aws s3api abort-multipart-upload --bucket {this['Bucket']} --key {this['Key']} "
        f"--upload-id {this['UploadId']}"
    )
    return (
        f"a part of the {size:,} bytes is kept in S3 as an unfinished upload, which is paid for: "
        f"the same command goes on from there, and {command} throws it away"
    )
