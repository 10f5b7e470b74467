"""The model directory: model-settings.json beside one forest file; saved, loaded and checked."""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.artifact.atomic_write import (
    cannot_be_written,
    make_writable,
    remove_temporary_files,
    sync_folder,
    write_temporary_file,
    write_whole,
)
from mlserver_forest.artifact.folder_lock import lock_folder
from mlserver_forest.artifact.forest_file import (
    Prepare,
    encode_forest,
    load_forest_file,
    read_description,
)
from mlserver_forest.artifact.known_runtimes import find_known
from mlserver_forest.artifact.model_name import checked_name
from mlserver_forest.artifact.regular_file import open_regular, resolve_inside
from mlserver_forest.errors import InvalidArtifact, format_error, format_value
from mlserver_forest.insight.baseline import baseline_from_arrays
from mlserver_forest.insight.intervals import intervals_from_arrays
from mlserver_forest.model.card import KEY as CARD_KEY
from mlserver_forest.model.card import Card, read_card
from mlserver_forest.model.model import Model
from mlserver_forest.schema.schema import Schema
from mlserver_forest.schema.v2_metadata import from_metadata, to_metadata

FOREST_FILE = "forest.safetensors"
# Where the settings of a pickle name the columns of the data frame that it needs.
COLUMNS_KEY = "columns"
PICKLE_FILE = "model.joblib"
SETTINGS_FILE = "model-settings.json"
FOREST_RUNTIME = "mlserver_forest.ForestModel"
# Serves the pickles that ``save_pickle`` writes.
PICKLE_RUNTIME = "mlserver_sklearn.SKLearnModel"
# The key in ``parameters.extra`` that ties model-settings.json to its forest file.
DIGEST_KEY = "forest_sha256"

_MAX_SETTINGS_BYTES = 1 << 28
# "module.Class", as MLServer imports it.
_IMPLEMENTATION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
# A URI that another runtime opens itself; MLServer's ``get_model_uri`` passes it on.
_SCHEME = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+:")
_FILE = "file://"


def save(
    directory: Path,
    model: Model,
    *,
    name: str,
    versions: Sequence[str],
    self_test: tuple[NDArray[Any], NDArray[np.float64]],
    before_rename: Callable[[], object] = lambda: None,
) -> None:
    """Write a model directory.

    Both files are complete on disk before either takes its name. The earlier model-settings.json
    is removed first and the new one comes last; between the two, the forest file describes its
    model itself. A process that is killed at any moment leaves a whole model, the earlier one or
    the new one, or none. Two processes must not write the same directory: hold ``lock_folder``.

    Args:
        directory: the folder; made if missing. An earlier model in it is replaced.
        model: the model. All outputs that it can give are declared.
        name: the model's name on the V2 protocol.
        versions: the libraries that trained it, such as ``scikit-learn/1.9.1``.
        self_test: rows, (n, n_features) in the dtype of the features, and what the training
            library predicts for them, float64 (n, n_columns).
        before_rename: is called when nothing but renaming is left to do; an earlier model is still
            in its place then.

    Raises:
        InvalidArtifact: if the forest does not reproduce the self-test, or the name cannot stand in
            a URL.
        InvalidEnvironment: if the directory cannot be written.
    """
    settings = {
        "name": checked_name(name),
        "platform": "mlserver-forest",
        "implementation": FOREST_RUNTIME,
        "versions": list(versions),
        **_described(replace(model.schema, insights=model.insight_shapes)),
    }
    insights = {
        name: array
        for part in (model.baseline, model.calibration)
        if part is not None
        for name, array in part.arrays.items()
    }
    file = encode_forest(model.forest, *self_test, insights, settings)
    extra = {DIGEST_KEY: file.sha256} | (_card_entry(model.card) if model.card else {})
    settings["parameters"] = {"uri": f"./{FOREST_FILE}", "extra": extra}
    files = _Files(FOREST_FILE, file.parts, file.n_bytes, _text(settings))
    _write(directory, files, before_rename)


def load(directory: Path, prepare: Prepare | None = None) -> Model:
    """Load the model of a directory; the forest is proven by its self-test.

    Args:
        directory: the model directory.
        prepare: see ``load_forest_file``.

    Raises:
        InvalidArtifact: if there is no model, it is damaged, or it is a pickle.
    """
    settings = read_settings(directory.resolve(), trust_code=False)
    schema = from_metadata(settings.get("inputs"), settings.get("outputs"))
    extra = settings["parameters"].get("extra")
    extra = extra if isinstance(extra, dict) else {}
    model = load_model(Path(settings["parameters"]["uri"]), schema, extra.get(DIGEST_KEY), prepare)
    return replace(model, card=read_card(extra[CARD_KEY]) if CARD_KEY in extra else None)


def load_model(
    path: Path, schema: Schema, sha256: Any = None, prepare: Prepare | None = None
) -> Model:
    """Load a forest file as the model that a schema describes.

    Args:
        path: the forest file, by its real path.
        schema: from its model-settings.json.
        sha256: the forest file's checksum in its model-settings.json; None if there is none.
        prepare: see ``load_forest_file``.

    Raises:
        InvalidArtifact: if the file is damaged, does not fit the schema, or is the file of another
            model than model-settings.json.
    """
    if schema.kind == "unknown":
        raise InvalidArtifact(
            "model-settings.json does not describe the model's inputs and outputs"
        )
    file = load_forest_file(path, prepare)
    if sha256 is not None and sha256 != file.sha256:
        raise InvalidArtifact(
            f"{path} and the {SETTINGS_FILE} beside it are files of different models (their "
            f"checksums differ); copy both from one model directory, or remove {SETTINGS_FILE} to "
            "serve the forest as its own file describes it"
        )
    try:
        return Model(
            schema,
            file.predictor,
            baseline_from_arrays(file.insights, schema),
            intervals_from_arrays(file.insights, file.predictor, schema),
            file.rows,
        )
    except InvalidArtifact as error:
        raise InvalidArtifact(f"{path}: {error}") from error


def save_pickle(
    directory: Path,
    source: Path,
    schema: Schema,
    *,
    name: str,
    versions: Sequence[str],
    columns: Sequence[str] = (),
) -> None:
    """Write a model directory for MLServer's scikit-learn runtime, as ``save`` does.

    Args:
        directory: the folder; made if missing. An earlier model in it is replaced.
        source: the estimator's joblib file, which is copied.
        schema: the features and classes, or a schema of an unknown kind.
        name: the model's name on the V2 protocol.
        versions: the libraries that wrote it.
        columns: of the data frame that the estimator needs, for rows without names; empty if it
            needs none.

    Raises:
        InvalidEnvironment: if the directory cannot be written.
    """
    frame = {"content_type": "pd", "extra": {COLUMNS_KEY: [*columns]}} if columns else {}
    settings = {
        "name": name,
        "implementation": PICKLE_RUNTIME,
        "versions": list(versions),
        **_described(schema),
        "parameters": {"uri": f"./{PICKLE_FILE}", **frame},
    }
    n_bytes = source.stat().st_size
    _write(directory, _Files(PICKLE_FILE, _chunks(source), n_bytes, _text(settings)))


def replace_card(directory: Path, card: Card) -> None:
    """Replace the card in the settings of a saved model; its forest file stays as it is.

    Raises:
        InvalidEnvironment: if the directory cannot be written.
    """
    path = directory / SETTINGS_FILE
    try:
        settings = json.loads(path.read_bytes())
        settings["parameters"]["extra"] |= _card_entry(card)
        text = _text(settings)
    except OSError as error:
        raise cannot_be_written(directory, error) from error
    try:
        write_whole(path, text)
    except OSError as error:
        raise cannot_be_written(directory, error, len(text)) from error


def copy(source: Path, directory: Path) -> int:
    """Write a model directory from another one, as ``save`` does, and no other job beside.

    Returns:
        The size of the model file in bytes.

    Raises:
        InvalidEnvironment: if the directory cannot be written, or another job is writing it.
    """
    settings = (source / SETTINGS_FILE).read_bytes()
    model = Path(json.loads(settings)["parameters"]["uri"]).name
    n_bytes = (source / model).stat().st_size
    make_writable(directory)
    with lock_folder(directory):
        _write(directory, _Files(model, _chunks(source / model), n_bytes, settings))
    return n_bytes


def _card_entry(card: Card) -> dict[str, Any]:
    """The card among the model parameters that MLServer keeps and ignores."""
    return {CARD_KEY: card.to_json()}


def _described(schema: Schema) -> dict[str, Any]:
    if schema.kind == "unknown":
        return {}
    return to_metadata(schema)


def _text(settings: Mapping[str, Any]) -> bytes:
    return json.dumps(settings, indent=2).encode() + b"\n"


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(1 << 24):
            yield chunk


@dataclass(frozen=True, eq=False)
class _Files:
    """The two files of a model directory.

    Attributes:
        name: the name of the model file.
        parts: the model file's bytes, in order.
        n_bytes: their number.
        settings: the content of model-settings.json.
    """

    name: str
    parts: Iterable[bytes]
    n_bytes: int
    settings: bytes


def _write(
    directory: Path, files: _Files, before_rename: Callable[[], object] = lambda: None
) -> None:
    """Write both files under temporary names, then rename them, settings last."""
    make_writable(directory)
    try:
        temporary_model = write_temporary_file(directory, files.parts)
        temporary_settings = write_temporary_file(directory, [files.settings])
        before_rename()
        (directory / SETTINGS_FILE).unlink(missing_ok=True)
        sync_folder(directory)
        os.replace(temporary_model, directory / files.name)
        sync_folder(directory)
        os.replace(temporary_settings, directory / SETTINGS_FILE)
        sync_folder(directory)
    except OSError as error:
        n_bytes = files.n_bytes + len(files.settings)
        raise cannot_be_written(directory, error, n_bytes) from error
    finally:
        remove_temporary_files(directory)


def read_settings(directory: Path, *, trust_code: bool) -> dict[str, Any]:
    """Read model-settings.json, and refuse whatever could choose code that nobody trusts.

    If that file is missing, the forest file's description is read in its place.

    Args:
        directory: the model directory, by its real path. If a link takes its place later, it is not
            followed.
        trust_code: whether other runtimes than this package's are allowed, which run code of their
            own.

    Returns:
        The settings. ``parameters.uri`` is a real path: of a file in the directory for this
        package's runtime, and wherever it leads for another one; the directory if there is none.

    Raises:
        InvalidArtifact: if there is no model, its settings cannot be used, or its runtime is
            another one and is not allowed.
    """
    path = directory / SETTINGS_FILE
    try:
        settings = _settings_text(directory)
        runtime = settings["implementation"]
        parameters = settings.get("parameters") or {}
        uri = parameters["uri"] if runtime == FOREST_RUNTIME else parameters.get("uri") or "."
        is_remote = runtime != FOREST_RUNTIME and bool(_SCHEME.match(uri))
        target = uri if is_remote else str((directory / uri.removeprefix(_FILE)).resolve())
    except FileNotFoundError as error:
        raise InvalidArtifact(
            f"no model: {directory} has no {SETTINGS_FILE}; "
            "run `train` first, or mount the folder of a trained model there"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidArtifact(
            f"{path} cannot be used ({format_error(error)}); it needs `implementation` and "
            "`parameters.uri`"
        ) from error
    if runtime == FOREST_RUNTIME:
        if not Path(target).is_relative_to(directory):
            raise InvalidArtifact(
                f"{path}: parameters.uri {format_value(uri)} leads out of the model's folder"
            )
    else:
        _check_runtime(runtime, path, trust_code=trust_code)
    return {**settings, "parameters": {**parameters, "uri": target}}


def _settings_text(directory: Path) -> dict[str, Any]:
    try:
        with open_regular(resolve_inside(directory, SETTINGS_FILE)) as file:
            return dict(json.loads(file.read(_MAX_SETTINGS_BYTES)))
    except FileNotFoundError:
        files = [path for path in directory.glob("*.safetensors") if path.name[0] != "."]
        if len(files) != 1:
            raise
    name = files[0].name
    return {**read_description(resolve_inside(directory, name)), "parameters": {"uri": name}}


def _check_runtime(runtime: Any, path: Path, *, trust_code: bool) -> None:
    """Check that another runtime may be named.

    Raises:
        InvalidArtifact: naming it, the switch, and how to do without if there is a way.
    """
    if not isinstance(runtime, str) or not _IMPLEMENTATION.fullmatch(runtime):
        raise InvalidArtifact(
            f"{path}: implementation {format_value(runtime)} does not name a class; expected "
            f"{FOREST_RUNTIME}, or a module and a class such as mymodel.MyModel"
        )
    if trust_code:
        return
    known = find_known(runtime)
    why = "loads a pickle, and a pickle can run any code" if known and known.unpickles else ""
    instead = ""
    if known and known.model_file:
        instead = (
            f"pack the model, which then needs no other code (forest pack {known.model_file} "
            "--out NEW_FOLDER); or, "
        )
    raise InvalidArtifact(
        f"{path}: the implementation {runtime} {why or 'runs code that is not of this package'}; "
        f"{instead}if you trust this folder, set FOREST_TRUST_CODE=true"
    )
