"""Unpacks the archives that SageMaker keeps: model.tar.gz, and the output of a training job."""

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mlserver_forest.errors import InvalidArtifact

# Archives of models hold a handful of files.
_MOST_MEMBERS = 10_000


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the regular files of an archive; a model directory has no links and no devices.

    Args:
        archive: a .tar.gz, or a .tar compressed otherwise.
        folder: is made.

    Returns:
        ``folder``.

    Raises:
        InvalidArtifact: if it is not an archive, or if a file would lie outside of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:*") as members:
            for member in _files_in(members):
                _extract(members, member, folder)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        # tarfile says on further lines what each compression found.
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(":")
        raise InvalidArtifact(
            f"{archive} is not an archive of a model directory ({reason}); expected model.tar.gz, "
            "as a training job of SageMaker writes it, or a model directory"
        ) from error
    return folder


def _files_in(members: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for number, member in enumerate(members):
        if number >= _MOST_MEMBERS:
            raise tarfile.TarError(f"it holds more than {_MOST_MEMBERS:,} files")
        if member.isfile():
            yield member


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
