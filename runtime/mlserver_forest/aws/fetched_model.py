"""A model that is in S3, fetched for reading here: its archive, and the report of its job."""

import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from mlserver_forest.aws.download import download_object
from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.step import Call
from mlserver_forest.aws.storage import split_uri
from mlserver_forest.errors import DeploymentError

if TYPE_CHECKING:
    from mlserver_forest.aws.client import Aws

ARCHIVE = "model.tar.gz"
# What a training job writes beside its model: the files of /opt/ml/output/data.
_JOB_OUTPUT = "output.tar.gz"
# Archives of models hold a handful of files.
_MOST_MEMBERS = 10_000

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
    return unpack_archive(archive, folder / "output")


def unpack_archive(archive: Path, folder: Path) -> Path:
    """Unpack a .tar.gz whose files all lie inside of it; links and devices are left out.

    Returns:
        ``folder``.

    Raises:
        DeploymentError: if it is not such an archive.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:gz") as members:
            for number, one in enumerate(members):
                if number >= _MOST_MEMBERS:
                    raise DeploymentError(f"{archive} holds more than {_MOST_MEMBERS} files")
                parts = PurePosixPath(one.name).parts
                if one.isfile() and ".." not in parts and not PurePosixPath(one.name).is_absolute():
                    members.extract(one, folder, filter="data")
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise DeploymentError(f"{archive} is not a .tar.gz ({error})") from error
    return folder
