"""What ``MODEL`` on a command line means: a training job, something in S3, or something local."""

from collections.abc import Iterator
from pathlib import Path

from mlserver_forest.aws.client import Aws
from mlserver_forest.aws.deploy.plan import Artifact
from mlserver_forest.aws.local_files import local_file, pack_model
from mlserver_forest.aws.place import Place, split_uri
from mlserver_forest.aws.upload_plan import LocalFile
from mlserver_forest.aws.waiter import TRAINING
from mlserver_forest.errors import DeploymentError

_ARCHIVE = ".tar.gz"


def find_artifact(aws: Aws | None, place: Place, model: str, folder: Path) -> Artifact:
    """One model.

    Args:
        aws: the account, or None where nobody may be asked.
        place: where a local model is uploaded to.
        model: s3://..., a model directory or a .tar.gz, or a training job's name.
        folder: where a directory's archive is written.

    Raises:
        DeploymentError: if there is no such model.
    """
    if model.startswith("s3://"):
        split_uri(model)
        return Artifact(model)
    if Path(model).exists():
        file = _archive(Path(model), folder)
        key = place.key("models", file.sha256[:16], "model.tar.gz")
        return Artifact(f"s3://{place.bucket}/{key}", ((key, file),))
    if aws is None:
        return Artifact(f"s3://{place.bucket}/<model.tar.gz of training job {model}>")
    return Artifact(_of_job(aws, model))


def find_artifacts(place: Place, endpoint: str, models: str, folder: Path) -> Artifact:
    """Many models: a prefix in S3, or a folder of model directories and archives.

    Raises:
        DeploymentError: if there is no such folder, or nothing in it.
    """
    if models.startswith("s3://"):
        split_uri(models)
        return Artifact(models.rstrip("/") + "/")
    if not Path(models).is_dir():
        raise DeploymentError(
            f"{models} is no folder; --multi-model expects an S3 prefix, or a folder of model "
            "directories or .tar.gz files"
        )
    prefix = ("multi-model", endpoint)
    files = tuple((place.key(*prefix, file.name), file) for file in _archives(models, folder))
    if not files:
        raise DeploymentError(f"{models}: no model directories and no .tar.gz files in it")
    return Artifact(place.uri(*prefix) + "/", files)


def _archives(models: str, folder: Path) -> Iterator[LocalFile]:
    for path in sorted(Path(models).iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield local_file(
                pack_model(path, folder / f"{path.name}{_ARCHIVE}"), path.name + _ARCHIVE
            )
        elif path.name.endswith(_ARCHIVE):
            yield local_file(path, path.name)


def _archive(path: Path, folder: Path) -> LocalFile:
    if path.is_dir():
        path = pack_model(path, folder / "model.tar.gz")
    elif not path.name.endswith(_ARCHIVE):
        raise DeploymentError(
            f"{path} is no model directory and no .tar.gz; forest pack makes one of a model file"
        )
    return local_file(path, "model.tar.gz")


def _of_job(aws: Aws, name: str) -> str:
    found = aws.find(TRAINING.look_up(name))
    if found is None:
        raise DeploymentError(
            f"{name} is no training job in {aws.region}, no local file or folder and no S3 URI"
        )
    if found[TRAINING.status] != "Completed":
        raise DeploymentError(
            f"training job {name} is {found[TRAINING.status]}: it has no model to deploy; "
            f"see forest status {name}"
        )
    return str(found["ModelArtifacts"]["S3ModelArtifacts"])
