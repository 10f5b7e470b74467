"""The model directory: model-settings.json beside one forest file."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.artifact.atomic_write import (
    cannot_be_written,
    make_writable,
    remove_drafts,
    write_draft,
    write_whole,
)
from mlserver_forest.artifact.card import KEY as CARD_KEY
from mlserver_forest.artifact.card import Card
from mlserver_forest.artifact.forest_file import encode_forest, read_description
from mlserver_forest.engine.forest import Forest
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.insight.insights import Insights
from mlserver_forest.schema.schema import Schema
from mlserver_forest.schema.v2_metadata import to_metadata

FOREST_FILE = "forest.safetensors"
PICKLE_FILE = "model.joblib"
SETTINGS_FILE = "model-settings.json"
FOREST_RUNTIME = "mlserver_forest.ForestModel"
# Runtimes that unpickle what they load, hence run whatever the file says.
PICKLE_RUNTIMES = ("mlserver_sklearn.SKLearnModel",)

_MAX_SETTINGS_BYTES = 1 << 28


def save(
    directory: Path,
    forest: Forest,
    schema: Schema,
    *,
    name: str,
    versions: Sequence[str],
    self_test: tuple[NDArray[Any], NDArray[np.float64]],
    insights: Insights | None = None,
    card: Card | None = None,
) -> None:
    """Write a model directory.

    Both files are complete on disk before either takes its name, and
    model-settings.json, without which nothing is served, comes last: a process
    killed at any moment leaves a whole model or none.

    Args:
        directory: where; made if missing. An earlier model in it is replaced.
        forest: the trees.
        schema: the features and classes.
        name: the model's name on the V2 protocol.
        versions: the libraries that trained it, such as ``scikit-learn/1.9.1``.
        self_test: rows, (n, n_features) of the dtype of the features, and what the
            training library answers to them, float64 (n, n_columns).
        insights: what the model can tell beside its predictions and their contributions.
        card: how it was trained, as far as that is known yet.

    Raises:
        InvalidArtifact: if the forest does not reproduce the self-test.
    """
    insights = insights or Insights()
    schema = replace(schema, insights=insights.outputs(forest, schema))
    settings = {
        "name": name,
        "platform": "mlserver-forest",
        "implementation": FOREST_RUNTIME,
        "versions": list(versions),
        **_described(schema),
    }
    parts = encode_forest(forest, *self_test, insights.arrays, settings)
    settings["parameters"] = {"uri": f"./{FOREST_FILE}"} | (_extra(card) if card else {})
    _write(directory, FOREST_FILE, parts, _text(settings))


def save_pickle(
    directory: Path, source: Path, schema: Schema, *, name: str, versions: Sequence[str]
) -> None:
    """Write a model directory for MLServer's scikit-learn runtime, as ``save`` does.

    Args:
        directory: where; made if missing. An earlier model in it is replaced.
        source: the estimator's joblib file, which is copied.
        schema: the features and classes, or an unknown one.
        name: the model's name on the V2 protocol.
        versions: the libraries that wrote it.
    """
    settings = {
        "name": name,
        "implementation": PICKLE_RUNTIMES[0],
        "versions": list(versions),
        **_described(schema),
        "parameters": {"uri": f"./{PICKLE_FILE}"},
    }
    _write(directory, PICKLE_FILE, _chunks(source), _text(settings))


def replace_card(directory: Path, card: Card) -> None:
    """Tell in a saved model's settings how it was trained; its file stays as it is.

    Raises:
        InvalidEnvironment: if the directory cannot be written.
    """
    path = directory / SETTINGS_FILE
    try:
        settings = json.loads(path.read_bytes())
        settings["parameters"] |= _extra(card)
        write_whole(path, _text(settings))
    except OSError as error:
        raise cannot_be_written(directory, error) from error


def copy(source: Path, directory: Path) -> int:
    """Write a model directory from another one, as ``save`` does.

    Returns:
        The size of the model file in bytes.
    """
    settings = (source / SETTINGS_FILE).read_bytes()
    model = Path(json.loads(settings)["parameters"]["uri"]).name
    _write(directory, model, _chunks(source / model), settings)
    return (directory / model).stat().st_size


def _extra(card: Card) -> dict[str, Any]:
    """Parameters of a model that MLServer keeps and takes no notice of."""
    return {"extra": {CARD_KEY: card.to_json()}}


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


def _write(directory: Path, name: str, parts: Iterable[bytes], settings: bytes) -> None:
    """Both files complete under temporary names, then renamed, settings last."""
    make_writable(directory)
    try:
        model_draft = write_draft(directory, parts)
        settings_draft = write_draft(directory, [settings])
        (directory / SETTINGS_FILE).unlink(missing_ok=True)
        os.replace(model_draft, directory / name)
        os.replace(settings_draft, directory / SETTINGS_FILE)
    finally:
        remove_drafts(directory)


def read_settings(directory: Path, *, trust_pickle: bool) -> dict[str, Any]:
    """Read model-settings.json and refuse whatever could choose code.

    Without that file, a forest file says what it would have said.

    Args:
        directory: the model directory.
        trust_pickle: whether runtimes that unpickle are allowed.

    Returns:
        The settings as they stand, with ``parameters.uri`` made absolute.

    Raises:
        InvalidArtifact: if there is no model, its settings cannot be used, or its
            runtime is unknown or unpickles and is not allowed.
    """
    path = directory / SETTINGS_FILE
    try:
        settings = _settings_text(directory)
        uri = settings["parameters"]["uri"]
        runtime = settings["implementation"]
        target = (directory / uri).resolve()
    except FileNotFoundError as error:
        raise InvalidArtifact(
            f"no model: {directory} has no {SETTINGS_FILE}; "
            "run `train` first, or mount the folder of a trained model there"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidArtifact(
            f"{path} cannot be used ({error!r}); it needs `implementation` and `parameters.uri`"
        ) from error
    _check_runtime(runtime, path, trust_pickle)
    if not target.is_relative_to(directory.resolve()):
        raise InvalidArtifact(f"{path}: parameters.uri {uri!r} leads out of the model's folder")
    settings["parameters"]["uri"] = str(target)
    return dict(settings)


def _settings_text(directory: Path) -> dict[str, Any]:
    try:
        with (directory / SETTINGS_FILE).open("rb") as file:
            return dict(json.loads(file.read(_MAX_SETTINGS_BYTES)))
    except FileNotFoundError:
        files = [path for path in directory.glob("*.safetensors") if path.name[0] != "."]
        if len(files) != 1:
            raise
    return {**read_description(files[0]), "parameters": {"uri": files[0].name}}


def _check_runtime(runtime: Any, path: Path, trust_pickle: bool) -> None:
    if runtime == FOREST_RUNTIME:
        return
    if runtime not in PICKLE_RUNTIMES:
        known = ", ".join([FOREST_RUNTIME, *PICKLE_RUNTIMES])
        raise InvalidArtifact(f"{path}: unknown implementation {runtime!r}; expected {known}")
    if not trust_pickle:
        raise InvalidArtifact(
            f"{path}: {runtime} loads a pickle, and a pickle can run any code; "
            "if you trust this file, set FOREST_TRUST_PICKLE=true"
        )
