"""Downloads from S3: all objects below a prefix, or one that does not exist yet."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlserver_forest.aws.parallel_calls import in_parallel
from mlserver_forest.aws.step import Call
from mlserver_forest.aws.storage import split_uri
from mlserver_forest.errors import DeploymentError

if TYPE_CHECKING:
    from mlserver_forest.aws.client import Aws


@dataclass(frozen=True)
class Download:
    """Download every object below a prefix.

    Attributes:
        uri: the prefix.
        directory: the local folder.
    """

    uri: str
    directory: Path

    def listing(self) -> Call:
        """The call that lists the objects."""
        bucket, prefix = split_uri(self.uri.rstrip("/") + "/")
        return Call("s3", "ListObjectsV2", {"Bucket": bucket, "Prefix": prefix}, items="Contents")

    def calls(self) -> list[dict[str, Any]]:
        bucket, prefix = split_uri(self.uri.rstrip("/") + "/")
        each = Call("s3", "GetObject", {"Bucket": bucket, "Key": f"{prefix}<each>"})
        return [self.listing().as_json(), {**each.as_json(), "repeated": "for each object"}]


@dataclass(frozen=True)
class AwaitObject:
    """Wait for an object until it exists.

    Attributes:
        uri: the object.
        failure: the object that is written instead if the request fails, or empty.
        poll: seconds between two checks.
        timeout: the seconds after which to stop waiting.
    """

    uri: str
    failure: str
    poll: float
    timeout: float

    def calls(self) -> list[dict[str, Any]]:
        return [
            {**_object(uri).as_json(), "repeated": "until one of them is found"}
            for uri in (self.uri, self.failure)
        ]


def download(aws: "Aws", wanted: Download, bar: Callable[[str, int], Any]) -> list[Path]:
    """Download every object below a prefix; an object that fails leaves no partial file behind.

    Raises:
        DeploymentError: if there are no objects, or if one cannot be read or written.
    """
    listing = wanted.listing()
    found = [
        (one, target)
        for one in aws.call(listing)["Contents"]
        if (target := _target_of(wanted, one["Key"].removeprefix(listing.request["Prefix"])))
    ]
    if not found:
        raise DeploymentError(f"{wanted.uri}: there is nothing to download")
    with bar(wanted.directory.name, sum(one["Size"] for one, _ in found)) as progress:

        def get(each: tuple[dict[str, Any], Path]) -> Path:
            where = {"Bucket": listing.request["Bucket"], "Key": each[0]["Key"]}
            _download_one(aws, Call("s3", "GetObject", where), each[1], progress)
            return each[1]

        return in_parallel(get, found)


def download_object(aws: "Aws", uri: str, target: Path, bar: Callable[[str, int], Any]) -> Path:
    """Download one object, and leave no partial file behind.

    Args:
        aws: the account.
        uri: the S3 URI of the object.
        target: the file.
        bar: makes a progress bar.

    Returns:
        ``target``.

    Raises:
        DeploymentError: if there is no such object, or if it cannot be read or written.
    """
    bucket, key = split_uri(uri)
    where = {"Bucket": bucket, "Key": key}
    size = int(aws.call(Call("s3", "HeadObject", where))["ContentLength"])
    with bar(target.name, size) as progress:
        _download_one(aws, Call("s3", "GetObject", where), target, progress)
    return target


def _target_of(wanted: Download, name: str) -> Path | None:
    """The path of an object's file; none for the marker of a folder, or outside of the folder."""
    path = Path(name.lstrip("/"))
    if not path.name or name.endswith("/") or ".." in path.parts:
        return None
    return wanted.directory / path


def await_object(aws: "Aws", wanted: AwaitObject) -> bytes:
    """Wait for the object and return it.

    Raises:
        DeploymentError: with the failure that was written instead, or if it takes too long.
    """
    get_it = f"aws s3 cp {wanted.uri} -"
    try:
        deadline = time.monotonic() + wanted.timeout
        while time.monotonic() < deadline:
            if (found := _fetch(aws, wanted.uri)) is not None:
                return found
            if wanted.failure and (reason := _fetch(aws, wanted.failure)) is not None:
                said = " ".join(reason.decode("utf-8", "replace").split())
                raise DeploymentError(
                    f"the endpoint could not answer: {said} (in {wanted.failure})"
                )
            time.sleep(wanted.poll)
    except KeyboardInterrupt:
        raise DeploymentError(
            f"interrupted; the endpoint continues, and writes to {wanted.uri}: {get_it}"
        ) from None
    raise DeploymentError(f"no answer within {wanted.timeout:g} s; it may still arrive: {get_it}")


def _object(uri: str) -> Call:
    if not uri.startswith("s3://"):  # The location that is given by an earlier answer.
        return Call("s3", "GetObject", {"Bucket": uri, "Key": uri})
    bucket, key = split_uri(uri)
    return Call("s3", "GetObject", {"Bucket": bucket, "Key": key})


def _fetch(aws: "Aws", uri: str) -> bytes | None:
    call = _object(uri)
    found = aws.find(call)
    return None if found is None else b"".join(aws.blocks(call, found))


def _download_one(aws: "Aws", call: Call, target: Path, progress: Any) -> None:
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            for block in aws.blocks(call, aws.call(call)):
                file.write(block)
                progress.update(len(block))
        part.replace(target)
    except OSError as error:
        raise DeploymentError(f"{target}: {error}; run the same command again") from error
    finally:
        part.unlink(missing_ok=True)
