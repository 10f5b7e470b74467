"""The one model in a file or an archive: recognized by its first bytes, read by its library."""

import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers.registry import (
    HEAD_BYTES,
    UNSUPPORTED_FILES,
    FileFormat,
    file_formats,
    format_of,
)

_MOST_MEMBERS = 10_000
_MAX_MODEL_BYTES = 16 << 30


@dataclass(frozen=True)
class ModelFile:
    """A file that holds one model.

    Attributes:
        path: the file, or the member of an archive, unpacked.
        form: how it is read.
    """

    path: Path
    form: FileFormat

    def read(self) -> Any:
        """Read the estimator, booster, or the record of one.

        Raises:
            UnsupportedEstimator: if the file cannot be read.
        """
        return self.form.read(self.path)


def find_model(path: Path, folder: Path) -> ModelFile:
    """Find out what a file holds; extract the model if it is an archive.

    Args:
        path: the file.
        folder: where the model of an archive is put.

    Raises:
        UnsupportedEstimator: naming what came and what was expected.
    """
    try:
        if tarfile.is_tarfile(path):
            return _from_archive(path, folder)
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise UnsupportedEstimator(f"{path} cannot be read: {error}") from error
    form = format_of(head)
    if form is None:
        raise UnsupportedEstimator(f"{path} {_describe(head)}")
    return ModelFile(path, form)


def _describe(head: bytes) -> str:
    for magic, what in UNSUPPORTED_FILES.items():
        if head.startswith(magic):
            return f"is {what}"
    if not head:
        return f"is empty; {_expected()}"
    start = format_value(head[:8].decode("latin-1"))
    return f"is not a model file: it starts with {start}; {_expected()}"


def _expected() -> str:
    titles = ", ".join(form.title for form in file_formats())
    return f"expected {titles}, or a tar archive that holds one of them"


def _from_archive(path: Path, folder: Path) -> ModelFile:
    found: dict[str, ModelFile] = {}
    with tarfile.open(path) as archive:
        for count, member in enumerate(archive):
            if count >= _MOST_MEMBERS:
                raise UnsupportedEstimator(f"{path} holds more than {_MOST_MEMBERS} files")
            if not member.isfile() or _is_aside(member.name):
                continue
            if member.size > _MAX_MODEL_BYTES:
                raise UnsupportedEstimator(
                    f"{path}: {format_value(member.name)} has {member.size} bytes; "
                    f"at most {_MAX_MODEL_BYTES} are read"
                )
            stream = archive.extractfile(member)
            if stream is not None:
                form = _unpack(stream, folder / f"member-{count}")
                if form:
                    found[member.name] = ModelFile(folder / f"member-{count}", form)
    if len(found) != 1:
        what = f"{len(found)} models, {format_value(list(found))}" if found else "no model"
        raise UnsupportedEstimator(f"{path} holds {what}; expected exactly one; {_expected()}")
    return next(iter(found.values()))


def _unpack(stream: IO[bytes], target: Path) -> FileFormat | None:
    """Write a member under a name of our own, if it is a model."""
    head = stream.read(HEAD_BYTES)
    form = format_of(head)
    if form is not None:
        with target.open("wb") as file:
            file.write(head)
            shutil.copyfileobj(stream, file)
    return form


def _is_aside(name: str) -> bool:
    """Whether a file is hidden, or code that SageMaker's own containers look for in an archive."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    return any(part.startswith(".") for part in parts) or parts[:1] == ["code"]
