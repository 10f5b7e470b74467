"""What kind of model a file holds, told by its first bytes; and the model in an archive."""

import shutil
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from mlserver_forest.errors import UnsupportedEstimator, format_value

Kind = Literal["pickle", "skops", "xgboost", "lightgbm"]

_HEAD_BYTES = 512
_MOST_MEMBERS = 10_000
_MAX_MODEL_BYTES = 16 << 30
_GZIP = b"\x1f\x8b"
# Pickles since protocol 2, and the compressions that joblib wraps around them.
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_COMPRESSED = (_GZIP, b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"BZh", b"\xfd7zXZ")
_JOBLIB = (*_PICKLES, *_COMPRESSED, b"\x5d\x00\x00", b"\x04\x22\x4d\x18")
_STRANGERS: Mapping[bytes, str] = {
    b"CBM1": "a CatBoost model; CatBoost keeps its trees in a form of its own, so train with "
    "LightGBM or XGBoost",
    b"binf": "a model in XGBoost's old binary format; load it with the XGBoost that wrote it and "
    "save it again with save_model('model.ubj')",
}
_KNOWN = (
    "expected a joblib, pickle or skops file, an XGBoost UBJ or JSON file, a LightGBM text file, "
    "or a tar archive that holds one of them"
)


@dataclass(frozen=True)
class ModelFile:
    """A file that holds one model."""

    path: Path
    kind: Kind


def find_model(path: Path, folder: Path) -> ModelFile:
    """Tell what a file holds; take the one model out of an archive.

    Args:
        path: the file.
        folder: where the model of an archive is put.

    Raises:
        UnsupportedEstimator: naming what came and what was expected.
    """
    try:
        if tarfile.is_tarfile(path):
            return _from_archive(path, folder)
        return ModelFile(path, _kind_of(path))
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise UnsupportedEstimator(f"{path} cannot be read: {error}") from error


def _kind_of(path: Path) -> Kind:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    kind = _kind(head)
    if kind is None:
        raise UnsupportedEstimator(f"{path} {_describe(head)}")
    if kind == "skops":
        with zipfile.ZipFile(path) as archive:
            if "schema.json" not in archive.namelist():
                raise UnsupportedEstimator(f"{path} is a zip archive, but no skops file; {_KNOWN}")
    return kind


def _kind(head: bytes) -> Kind | None:
    if head.startswith(b"PK\x03\x04"):
        return "skops"
    if head.startswith((b"tree\n", b"tree\r\n")):
        return "lightgbm"
    if head.lstrip().startswith(b"{"):
        return "xgboost"
    return "pickle" if head.startswith(_JOBLIB) else None


def _describe(head: bytes) -> str:
    for magic, what in _STRANGERS.items():
        if head.startswith(magic):
            return f"is {what}"
    if not head:
        return f"is empty; {_KNOWN}"
    return f"is no model file: it starts with {format_value(head[:8].decode('latin-1'))}; {_KNOWN}"


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
                kind = _unpack(stream, folder / f"member-{count}")
                if kind:
                    found[member.name] = ModelFile(folder / f"member-{count}", kind)
    if len(found) != 1:
        what = f"{len(found)} models, {format_value(list(found))}" if found else "no model"
        raise UnsupportedEstimator(f"{path} holds {what}; expected exactly one; {_KNOWN}")
    return next(iter(found.values()))


def _unpack(stream: IO[bytes], target: Path) -> Kind | None:
    """Write a member under a name of our own, if it is a model."""
    head = stream.read(_HEAD_BYTES)
    kind = _kind(head)
    # A file in JSON may be anything; an XGBoost model names its learner at once.
    if kind is None or (kind == "xgboost" and b"learner" not in head):
        return None
    with target.open("wb") as file:
        file.write(head)
        shutil.copyfileobj(stream, file)
    return kind


def _is_aside(name: str) -> bool:
    """Hidden files, and the code that SageMaker's own containers look for in an archive."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    return any(part.startswith(".") for part in parts) or parts[:1] == ["code"]
