"""A model as SageMaker stores it, model.tar.gz, beside the directory that it is packed from."""

import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from mlserver_forest.artifact.model_directory import SETTINGS_FILE
from mlserver_forest.errors import InvalidArtifact

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
        _unpack(archive if path.is_dir() else path, Path(folder))
        yield Path(folder)


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack the regular files; links and devices are nothing that a model directory has."""
    try:
        with tarfile.open(archive, "r:*") as members:
            for member in members:
                if member.isfile():
                    _extract(members, member, folder)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InvalidArtifact(
            f"{archive} is not an archive of a model directory ({error}); expected {ARCHIVE}, as a "
            "training job of SageMaker writes it, or a model directory"
        ) from error


def _extract(members: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    # The filters of tarfile are not in each 3.11: Debian 12 has 3.11.2.
    name = PurePosixPath(member.name)
    content = members.extractfile(member)
    if name.is_absolute() or ".." in name.parts or content is None:
        raise tarfile.TarError(f"{member.name} lies outside of the archive")
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)
