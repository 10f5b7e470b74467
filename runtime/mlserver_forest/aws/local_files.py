"""Local files with their digests, and model directories as reproducible archives."""

import gzip
import hashlib
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlserver_forest.errors import DeploymentError

_BLOCK = 1 << 20


@dataclass(frozen=True)
class LocalFile:
    """A local file with its size and digest.

    Attributes:
        path: where it is.
        name: its name below a prefix in S3, with / between folders.
        size: its size in bytes.
        sha256: the SHA-256 of its bytes, in hexadecimal digits.
    """

    path: str
    name: str
    size: int
    sha256: str


def local_files(paths: Sequence[Path]) -> tuple[LocalFile, ...]:
    """Find files, also in folders, without hidden ones; sorted by name.

    Raises:
        DeploymentError: if there are none, or if two have the same name.
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
        raise DeploymentError(f"{', '.join(map(str, paths))}: contains no files")
    return tuple(found[name] for name in sorted(found))


def local_file(path: Path, name: str) -> LocalFile:
    """Read a file to find its size and digest.

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


def digest_of_files(files: Sequence[LocalFile]) -> str:
    """Sixteen digits of a digest of the files' names and bytes, the same for equal data."""
    lines = sorted(f"{file.sha256} {file.name}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def pack_model(directory: Path, target: Path) -> Path:
    """Pack a model directory into the model.tar.gz that SageMaker unpacks into /opt/ml/model.

    The same files give the same bytes: members are sorted, and have neither owners nor times.

    Returns:
        ``target``.
    """
    files = [file for file, _ in _named(directory)]
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
    # Serverless endpoints run the container as another user.
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
