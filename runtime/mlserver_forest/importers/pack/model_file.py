"""The one model in a file, an archive or a folder: recognized by its first bytes."""

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers import registry
from mlserver_forest.importers.pack import mlflow_model
from mlserver_forest.importers.pack.containers import (
    FAULTS,
    MOST_MEMBERS,
    ZIP_START,
    Budget,
    Entry,
    folder_entries,
    inflated,
    is_compressed,
    is_tar,
    parts_of,
    tar_entries,
    zip_entries,
)
from mlserver_forest.importers.pack.file_kinds import describe_start, kind_of, kind_of_names
from mlserver_forest.importers.registry import HEAD_BYTES, FileFormat
from mlserver_forest.importers.skops_file import SCHEMA_FILE

_NAMES_SHOWN = 8


@dataclass(frozen=True)
class ModelFile:
    """A file that holds one model.

    Attributes:
        path: the file, or where it was unpacked.
        form: how it is read.
        name: what it is called in messages, such as ``model.tar.gz/model.joblib``.
    """

    path: Path
    form: FileFormat
    name: str

    def read(self) -> Any:
        """Read the estimator, booster, or the record of one.

        Raises:
            UnsupportedEstimator: if the file cannot be read.
        """
        try:
            return self.form.read(self.path)
        except UnsupportedEstimator as error:
            raise UnsupportedEstimator(str(error).replace(str(self.path), self.name)) from error


def find_model(path: Path, folder: Path) -> ModelFile:
    """Find out what a file or folder holds; unpack the model if it is in an archive.

    Args:
        path: the file, or a folder with one model in it.
        folder: where what is unpacked is put, under names of its own.

    Raises:
        UnsupportedEstimator: naming what came and what was expected.
    """
    try:
        if path.is_dir():
            entries = list(islice(folder_entries(path), MOST_MEMBERS + 1))
            budget = Budget(path, sum(entry.path.stat().st_size for entry in entries if entry.path))
            return _Search(path, folder, budget).container(entries, str(path))
        return _Search(path, folder, Budget(path, path.stat().st_size)).file(path, str(path))
    except FAULTS as error:
        raise UnsupportedEstimator(f"{path} cannot be read: {error}") from error


@dataclass
class _Members:
    """What an archive or a folder holds."""

    models: dict[str, ModelFile] = field(default_factory=dict)
    # Why the other files are not models.
    refusals: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    mlflow: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Search:
    """The search for a model.

    Attributes:
        subject: the file or folder that was given.
        folder: where members are unpacked.
        budget: counts what is unpacked.
    """

    subject: Path
    folder: Path
    budget: Budget

    def file(self, path: Path, name: str, *, is_member: bool = False) -> ModelFile:
        """The model in a file on the disk.

        Args:
            path: the file.
            name: what it is called in messages.
            is_member: whether it came out of an archive, so that it may not be one.
        """
        with path.open("rb") as source:
            head = source.peek(HEAD_BYTES)[:HEAD_BYTES]
            if is_compressed(head):
                plain = inflated(source, head)
                return self._compressed(path, plain, name, is_member=is_member)
            if is_tar(head):
                _refuse_nested(name, is_member=is_member)
                return self.container(tar_entries(source, None), name)
        if head.startswith(ZIP_START):
            return self._zip(path, head, name, is_member=is_member)
        return ModelFile(path, _form_of(head, name), name)

    def container(self, entries: Iterable[Entry], name: str) -> ModelFile:
        """The one model among the files of an archive or a folder."""
        found = _Members()
        for entry in entries:
            if len(found.names) >= MOST_MEMBERS:
                raise UnsupportedEstimator(f"{name} holds more than {MOST_MEMBERS:,} files")
            found.names.append("/".join(parts_of(entry.name)))
            if not _is_aside(entry.name):
                self._look_at(entry, name, found)
        return _only_model(found, name)

    def _look_at(self, entry: Entry, name: str, found: _Members) -> None:
        """Unpack a file, unless its first bytes say that it is not a model."""
        shown, called = format_value(entry.name), f"{name}/{entry.name}"
        with entry.open() as stream:
            if parts_of(entry.name)[-1:] == [mlflow_model.MLMODEL]:
                text = stream.read(mlflow_model.MOST_BYTES).decode("utf-8", "replace")
                found.mlflow[entry.name.removesuffix(mlflow_model.MLMODEL)] = text
                return
            head = stream.read(HEAD_BYTES)
            try:
                if not _may_be_container(head):
                    _form_of(head, shown)
                path = entry.path
                if path is None:
                    path = self.folder / f"member-{len(found.names)}"
                    self.budget.copy(stream, head, path)
            except _NotModel as error:
                found.refusals.append(str(error))
                return
        try:
            found.models[entry.name] = self.file(path, called, is_member=True)
        except _NotModel as error:
            found.refusals.append(str(error).replace(called, shown))

    def _compressed(
        self, path: Path, plain: io.BufferedReader, name: str, *, is_member: bool
    ) -> ModelFile:
        head = plain.peek(HEAD_BYTES)[:HEAD_BYTES]
        if is_tar(head):
            _refuse_nested(name, is_member=is_member)
            return self.container(tar_entries(cast("BinaryIO", plain), self.budget), name)
        if is_compressed(head):
            raise _NotModel(f"{name} is compressed twice; unpack it once, and give the result")
        form = registry.format_of(head)
        if form is not None and form.is_pickle and kind_of(head) is None:
            return ModelFile(path, form, name)  # It is inflated while it is read.
        target = self.folder / f"{path.name}-inflated"
        self.budget.copy(plain, plain.read(HEAD_BYTES), target)
        if head.startswith(ZIP_START):
            return self._zip(target, head, name, is_member=is_member)
        return ModelFile(target, _form_of(head, name), name)

    def _zip(self, path: Path, head: bytes, name: str, *, is_member: bool) -> ModelFile:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(names) > MOST_MEMBERS:
                raise UnsupportedEstimator(f"{name} holds more than {MOST_MEMBERS:,} files")
            if SCHEMA_FILE in names:
                return ModelFile(path, _form_of(head, name), name)
            if kind := kind_of_names(names):
                raise _NotModel(f"{name} is {kind}")
            _refuse_nested(name, is_member=is_member)
            return self.container(zip_entries(archive), name)


class _NotModel(UnsupportedEstimator):
    """A file that is not a model, beside which another one in the same archive may be one."""


def _refuse_nested(name: str, *, is_member: bool) -> None:
    if is_member:
        raise _NotModel(f"{name} is an archive in an archive; unpack it, and give what is in it")


def _may_be_container(head: bytes) -> bool:
    """Whether a file has to be looked into to say what it is."""
    return is_compressed(head) or head.startswith(ZIP_START) or is_tar(head)


def _form_of(head: bytes, name: str) -> FileFormat:
    """The form of a model's file.

    Raises:
        _NotModel: if it is not one.
    """
    kind, form = kind_of(head), registry.format_of(head)
    if kind is not None:
        raise _NotModel(f"{name} is {kind}")
    if form is not None:
        return form
    if not head:
        raise _NotModel(f"{name} is empty; {_expected()}")
    raise _NotModel(
        f"{name} is not a model file: it starts with {describe_start(head)}; {_expected()}"
    )


def _expected() -> str:
    titles = ", ".join(form.title for form in registry.file_formats())
    return f"expected {titles}, or an archive or a folder that holds one of them"


def _only_model(found: _Members, name: str) -> ModelFile:
    """The one model, or the one that MLflow's description names.

    Raises:
        _NotModel: naming what is there instead.
    """
    if kind := kind_of_names(found.names):
        raise _NotModel(f"{name} is {kind}")
    models = _named_by_mlflow(found, name) or found.models
    if len(models) == 1:
        return next(iter(models.values()))
    if models:
        shown = ", ".join(map(format_value, list(models)[:_NAMES_SHOWN]))
        raise _NotModel(
            f"{name} holds {len(models)} models, {shown}; expected exactly one: unpack it, and "
            "give the file of the one that you want"
        )
    if found.refusals:
        others = "" if len(found.refusals) == 1 else f", and {len(found.refusals) - 1} other files"
        raise _NotModel(f"{name} holds no model{others}; {found.refusals[0]}")
    raise _NotModel(f"{name} holds no model; {_expected()}")


def _named_by_mlflow(found: _Members, name: str) -> dict[str, ModelFile]:
    """The model of MLflow's description; empty if there is none.

    Raises:
        _NotModel: if the file that it names is not a model that can be packed.
    """
    for folder, text in found.mlflow.items():
        wanted = mlflow_model.named_file(text)
        if wanted is None:
            flavours = ", ".join(mlflow_model.flavours_in(text)) or "none"
            raise _NotModel(
                f"{name} is an MLflow model of the flavours {flavours}, none of which is a model "
                "library that can be packed; pack the estimator's own file"
            )
        key = folder + wanted
        if key not in found.models:
            reason = next((one for one in found.refusals if key in one), f"{key} is not there")
            raise _NotModel(f"{name}: MLflow's description names {key}, but {reason}")
        return {key: found.models[key]}
    return {}


def _is_aside(name: str) -> bool:
    """Whether a file is hidden, or code that SageMaker's own containers look for in an archive."""
    parts = parts_of(name)
    return any(part.startswith(".") and part != ".." for part in parts) or parts[:1] == ["code"]
