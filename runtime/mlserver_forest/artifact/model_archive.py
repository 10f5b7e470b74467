"""A model as SageMaker stores it, model.tar.gz, beside the directory that it is packed from."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from mlserver_forest.artifact.model_directory import SETTINGS_FILE
from mlserver_forest.artifact.unpacked_archive import unpack

ARCHIVE = "model.tar.gz"


@contextmanager
def opened_model(path: Path) -> Iterator[Path]:
    """The model directory at a path; that of an archive is removed afterwards.

    A processing job of SageMaker finds the model.tar.gz of a training job in the folder of its
    input, as it is in S3.

    Args:
        path: a model directory, the archive of one, or a folder that holds ``model.tar.gz``.

    Raises:
        InvalidArtifact: if a file is not such an archive.
    """
    archive = path / ARCHIVE
    if path.is_dir() and ((path / SETTINGS_FILE).exists() or not archive.exists()):
        yield path
        return
    with TemporaryDirectory(prefix="forest-model-") as folder:
        yield unpack(archive if path.is_dir() else path, Path(folder))
