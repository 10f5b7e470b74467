"""Local files: read once to know them, and folders as archives that are the same each time."""

import gzip
import hashlib
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlserver_forest.aws.upload_plan import LocalFile
from mlserver_forest.errors import DeploymentError

_BLOCK = 1 << 20


def local_files(paths: Sequence[Path]) -> tuple[LocalFile, ...]:
    """The files themselves and those in folders, hidden ones left out; each is read once.

    Raises:
        DeploymentError: if there is none, or two have the same name.
    """
    found: dict[str, LocalFile] = {}
    for path in paths:
        for file, name in _named(path):
            if name in found:
                raise DeploymentError(
                    f"{found[name].path} and {file} would both be {name} in S3; rename one"
                )
            found[name] = local_file(file, name)
    if paths and not found:
        raise DeploymentError(f"{', '.join(map(str, paths))}: no files in it")
    return tuple(found[name] for name in sorted(found))


def local_file(path: Path, name: str) -> LocalFile:
    """Size and checksum.

    Raises:
        DeploymentError: if it cannot be read.
    """
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise DeploymentError(f"{path}: {error.strerror}") from error
    return LocalFile(str(path), name, size, digest.hexdigest())


def pack_model(directory: Path, target: Path) -> Path:
    """A model directory as the model.tar.gz that SageMaker unpacks into /opt/ml/model.

    The same files give the same bytes: sorted, without owners and times.

    Raises:
        DeploymentError: if it holds no model.
    """
    files = [file for file, _ in _named(directory)]
    if not {"model-settings.json", "forest.safetensors"} & {file.name for file in files}:
        raise DeploymentError(
            f"{directory} holds no model-settings.json and no forest.safetensors; expected a "
            "model directory as train or forest pack writes it"
        )
    with (
        target.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for file in sorted(files):
            _add(archive, file, file.relative_to(directory).as_posix())
    return target


def _add(archive: tarfile.TarFile, file: Path, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.size = file.stat().st_size
    # Serverless endpoints run as some other user.
    member.mode = 0o644
    with file.open("rb") as content:
        archive.addfile(member, content)


def _named(path: Path) -> Iterator[tuple[Path, str]]:
    if not path.exists():
        raise DeploymentError(f"{path} does not exist; expected a file, a folder or an S3 URI")
    if path.is_file():
        yield path, path.name
        return
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path)
        if file.is_file() and not any(part.startswith((".", "__")) for part in name.parts):
            yield file, name.as_posix()
