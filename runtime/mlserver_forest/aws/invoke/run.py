"""An answer, at once or when it lies in S3."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlserver_forest.aws.client import Aws
from mlserver_forest.aws.executor import Executor
from mlserver_forest.aws.invoke.plan import Invoke, plan, plan_asynchronous
from mlserver_forest.aws.place import split_uri
from mlserver_forest.aws.steps import Call
from mlserver_forest.errors import DeploymentError

Say = Callable[[str], None]


def invoke(aws: Aws, wanted: Invoke, body: bytes) -> bytes:
    """The answer, as it comes.

    Raises:
        DeploymentError: with the container's own message, where it gave one.
    """
    call = plan(wanted)
    answer = aws.call(call.service, call.operation, {**call.request, "Body": body})
    return b"".join(aws.blocks(call, answer))


def invoke_asynchronously(
    executor: Executor, wanted: Invoke, uri: str, say: Say, poll: float, most: float
) -> bytes:
    """Ask about what lies in S3, and wait for the answer there.

    Raises:
        DeploymentError: with what the container wrote where it failed, or when it takes too long.
    """
    with executor.telling():
        answer = executor.aws.do(plan_asynchronous(wanted, uri))
    output, failure = answer["OutputLocation"], answer.get("FailureLocation", "")
    say(f"the answer will be in {output}")
    try:
        return _await(executor.aws, output, failure, poll, most)
    except KeyboardInterrupt:
        raise DeploymentError(
            f"interrupted; the endpoint goes on and writes to {output}: aws s3 cp {output} -"
        ) from None


def _await(aws: Aws, output: str, failure: str, poll: float, most: float) -> bytes:
    deadline = time.monotonic() + most
    while time.monotonic() < deadline:
        if (found := _object(aws, output)) is not None:
            return found
        if failure and (reason := _object(aws, failure)) is not None:
            said = " ".join(reason.decode("utf-8", "replace").split())
            raise DeploymentError(f"the endpoint could not answer: {said} (in {failure})")
        time.sleep(poll)
    raise DeploymentError(f"no answer within {most:g} s; it may still come: aws s3 cp {output} -")


def _object(aws: Aws, uri: str) -> bytes | None:
    bucket, key = split_uri(uri)
    call = Call("s3", "GetObject", {"Bucket": bucket, "Key": key})
    found = aws.find(call)
    return None if found is None else b"".join(aws.blocks(call, found))


def download(aws: Aws, uri: str, directory: Path, bar: Callable[[str, int], Any]) -> list[Path]:
    """Every object below a prefix, into a folder; what failed leaves no half file behind.

    Raises:
        DeploymentError: if there is nothing, or it cannot be read or written.
    """
    bucket, prefix = split_uri(uri.rstrip("/") + "/")
    listing = Call("s3", "ListObjectsV2", {"Bucket": bucket, "Prefix": prefix})
    written = []
    for found in aws.pages(listing, "Contents"):
        name = found["Key"].removeprefix(prefix)
        if not name or ".." in Path(name).parts:
            continue
        target = directory / name
        with bar(name, found["Size"]) as progress:
            _download_one(aws, {"Bucket": bucket, "Key": found["Key"]}, target, progress)
        written.append(target)
    if not written:
        raise DeploymentError(f"{uri}: there is nothing to download")
    return written


def _download_one(aws: Aws, where: dict[str, str], target: Path, progress: Any) -> None:
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            call = Call("s3", "GetObject", where)
            for block in aws.blocks(call, aws.do(call)):
                file.write(block)
                progress.update(len(block))
        part.replace(target)
    except OSError as error:
        raise DeploymentError(f"{target}: {error}; run the same command again") from error
    finally:
        part.unlink(missing_ok=True)
