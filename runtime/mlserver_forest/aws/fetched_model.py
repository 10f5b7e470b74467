"""A model that is in S3, fetched for reading here: its archive, and the report of its job."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlserver_forest.artifact.unpacked_archive import unpack
from mlserver_forest.aws.download import download_object
from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.step import Call
from mlserver_forest.aws.storage import split_uri

if TYPE_CHECKING:
    from mlserver_forest.aws.client import Aws

ARCHIVE = "model.tar.gz"
# What a training job writes beside its model: the files of /opt/ml/output/data.
_JOB_OUTPUT = "output.tar.gz"

Bar = Callable[[str, int], Any]


def fetch_archive(aws: "Aws", uri: str, folder: Path, bar: Bar) -> Path:
    """Download a model.tar.gz into a folder.

    Raises:
        DeploymentError: if there is no such object, or if it cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return download_object(aws, uri, folder / ARCHIVE, bar)


def fetch_report(aws: "Aws", existing: Existing, uri: str, folder: Path, bar: Bar) -> Path | None:
    """Download and unpack the output of the training job that wrote a model.

    Args:
        aws: the account.
        existing: the account, for look-ups.
        uri: the S3 URI of the model.tar.gz; the job's output is beside it.
        folder: where the output is written.
        bar: makes a progress bar.

    Returns:
        The folder with the output, or None if there is none.

    Raises:
        InvalidArtifact: if it is not an archive.
    """
    output = f"{uri.rpartition('/')[0]}/{_JOB_OUTPUT}"
    bucket, key = split_uri(output)
    found = existing.find(
        Call("s3", "HeadObject", {"Bucket": bucket, "Key": key}),
        optional=f"whether a report of the training is in {output}",
    )
    if found is None or found is UNKNOWN:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    archive = download_object(aws, output, folder / _JOB_OUTPUT, bar)
    return unpack(archive, folder / "output")
