"""Model directories: how they are found, their settings, and V2's repository of them."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from mlserver_forest.artifact.model_directory import (
    DIGEST_KEY,
    FOREST_RUNTIME,
    SETTINGS_FILE,
    read_settings,
)
from mlserver_forest.artifact.model_name import NAME, checked_name
from mlserver_forest.errors import InvalidArtifact, ModelNotFound
from mlserver_forest.model.card import KEY as CARD_KEY
from mlserver_forest.model.card import read_card
from mlserver_forest.serving.models.served_settings import (
    ForestParameters,
    ForestSettings,
    ServedSettings,
)
from mlserver_forest.serving.models.unpacked_folder import (
    has_content,
    is_packed,
    settings_without_file,
)
from mlserver_forest.serving.models.version_directories import version_directories
from mlserver_forest.serving.scripts.code_layout import CodeSettings

# This server writes arrays; stock MLServer writes lists.
_IN_PROCESS = "mlserver_forest.serving.models.runtime.ForestRuntime"
_PASSED_ON = ("platform", "versions", "inputs", "outputs")
# Settings of MLServer's own processes.
_OF_OTHER_SERVERS = ("environment_tarball", "environment_path")
_OF_BATCHES = ("max_batch_size", "max_batch_time", "cache_enabled")
logger = logging.getLogger(__name__)
# The class below has a method named ``list``.
_Found = list[ServedSettings]


def find_model(places: Sequence[Path]) -> Path:
    """Find the model directory: the first place that contains a model, or a folder with one.

    The folders of its versions are a model, too.

    Tools that pack or copy a model may keep the folder that contained it.

    Args:
        places: folders, the likeliest first.

    Returns:
        The directory; if none contains a packed model, the first place that is not empty, or the
        first one.

    Raises:
        InvalidArtifact: if several folders in one place contain a model.
    """
    for place in places:
        if is_packed(place) or version_directories(place, is_packed):
            return place
        found = sorted(
            path
            for path in place.glob("*")
            if (path / SETTINGS_FILE).exists() or version_directories(path, is_packed)
        )
        if len(found) > 1:
            raise InvalidArtifact(
                f"{place} has several models, in {', '.join(path.name for path in found)}; "
                "name the folder of one in MLSERVER_MODEL_URI; the folders of one model's versions "
                "have numbers as names, or the same `name` in their model-settings.json"
            )
        if found:
            return found[0]
    return next((place for place in places if has_content(place)), places[0])


def settings_of_versions(
    directory: Path,
    trust_code: bool,
    name: str | None = None,
    code: CodeSettings = CodeSettings(),  # noqa: B008  # frozen
) -> list[tuple[ServedSettings, Path]]:
    """The settings of the model in a directory, in each of its versions.

    Args:
        directory: the model directory, by its real path; it may have a folder for each version.
        trust_code: as in ``settings_of``.
        name: as in ``settings_of``; by default the name in the last version.
        code: as in ``settings_of``.

    Returns:
        The settings and the folder of each version, in order.

    Raises:
        InvalidArtifact: as ``settings_of``.
    """
    folders = version_directories(directory, is_packed)
    if not folders:
        return [(settings_of(directory, trust_code, name, code), directory)]
    if name is None:
        *_, last = folders.values()
        own = read_settings(last, trust_code=trust_code).get("name")
        name = checked_name(str(own or directory.name))
    return [
        (settings_of(folder, trust_code, name, code, version), folder)
        for version, folder in folders.items()
    ]


def settings_of(
    directory: Path,
    trust_code: bool,
    name: str | None = None,
    code: CodeSettings = CodeSettings(),  # noqa: B008  # frozen
    version: str | None = None,
) -> ServedSettings:
    """The settings of the model in a directory.

    A folder without model-settings.json has the settings of a script's runtime, or those of a model
    that has to be packed (``must_be_packed``).

    Args:
        directory: the model directory, by its real path.
        trust_code: whether other runtimes than this package's are allowed.
        name: the name of the model on this server; by default its own name.
        code: what the operator says about scripts.
        version: the version of the model; by default the one in its settings.

    Raises:
        InvalidArtifact: if there is no model, or it must not be served.
    """
    if is_packed(directory):
        found = read_settings(directory, trust_code=trust_code)
    else:
        found = settings_without_file(directory, code, trust_code=trust_code)
    if version is not None:
        found["parameters"]["version"] = version
    if name is None:
        name = checked_name(str(found.get("name") or directory.name))
    try:
        if found["implementation"] == FOREST_RUNTIME:
            return _settings_of_forest(found, name)
        return _settings_of_other(found, name, directory)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidArtifact(f"model-settings.json, {place}: {first['msg']}") from error


def is_forest(settings: ServedSettings) -> bool:
    """Whether a model is one of this package's, which runs no code of anybody else."""
    return str(settings.implementation_) == _IN_PROCESS


def must_be_packed(settings: ServedSettings) -> bool:
    """Whether settings are those of a folder whose model has to be packed to be loaded."""
    return is_forest(settings) and Path(settings.parameters.uri).is_dir()


def _settings_of_forest(found: Mapping[str, Any], name: str) -> ServedSettings:
    parameters = found["parameters"]
    version = parameters.get("version")
    return ForestSettings(
        name=name,
        implementation_=_IN_PROCESS,
        **{key: found[key] for key in _PASSED_ON if key in found},
        parameters=ForestParameters(
            uri=parameters["uri"],
            version=None if version is None else str(version),
            extra=_known_extra(parameters),
        ),
    )


def _settings_of_other(found: Mapping[str, Any], name: str, directory: Path) -> ServedSettings:
    """All settings as MLServer gives them to a runtime; ``uri`` is an absolute path."""
    parameters = dict(found["parameters"])
    if parameters.get("version") is not None:
        parameters["version"] = str(parameters["version"])
    unused = [key for key in _OF_OTHER_SERVERS if parameters.get(key)]
    if unused:
        raise InvalidArtifact(
            f"model-settings.json: parameters.{unused[0]} asks for a Python environment of the "
            "model's own, which this server does not make; install its packages beside "
            "mlserver-forest and leave it out"
        )
    ignored = [key for key in _OF_BATCHES if found.get(key)]
    if ignored:
        logger.warning(
            "model %r: %s in model-settings.json changes nothing here: requests are not batched "
            "or cached",
            name,
            ", ".join(ignored),
        )
    from mlserver_forest.serving.models.foreign_settings import mlserver_settings

    settings: ServedSettings = mlserver_settings(
        found, parameters, name, str(directory / SETTINGS_FILE)
    )
    return settings


def _known_extra(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The card, and the checksum of the forest file if there is one."""
    found = parameters.get("extra")
    found = found if isinstance(found, dict) else {}
    digest = {DIGEST_KEY: str(found[DIGEST_KEY])} if DIGEST_KEY in found else {}
    return {CARD_KEY: asdict(read_card(found.get(CARD_KEY)))} | digest


class ModelRepository(Protocol):
    """The models that a server could load."""

    async def list(self) -> _Found:
        """The settings of all models that may be served."""


class ModelsFolder:
    """V2's repository: the model directories in one folder.

    MLServer's own repository would put a directory on ``sys.path`` and run whatever
    ``implementation`` names (1.7.1, ``settings.py``); here the artifact is checked first.

    Args:
        folder: contains the model directories.
        trust_code: whether other runtimes than this package's are allowed.
        code: what the operator says about scripts.
    """

    def __init__(
        self,
        folder: Path,
        *,
        trust_code: bool,
        code: CodeSettings = CodeSettings(),  # noqa: B008  # frozen
    ) -> None:
        self._code = code
        self._folder = folder
        self._trust_code = trust_code
        self._listing: asyncio.Task[_Found] | None = None

    async def list(self) -> _Found:
        """The settings of all models that may be served.

        Those who ask at the same time share one listing, so that a file system that hangs holds
        one thread.
        """
        if self._listing is None or self._listing.done():
            self._listing = asyncio.create_task(asyncio.to_thread(self._list))
        return await asyncio.shield(self._listing)

    def _list(self) -> _Found:
        try:
            names = sorted(path.name for path in self._folder.iterdir())
        except OSError:  # There is no such folder, or it may not be read.
            return []
        found = []
        for name in names:
            with suppress(InvalidArtifact, ModelNotFound):
                versions = settings_of_versions(
                    self.directory(name), self._trust_code, name, self._code
                )
                found += [settings for settings, _ in versions]
        return found

    def directory(self, name: str) -> Path:
        """The real path of a model's directory; SageMaker unpacks models into ``<name>/model``.

        Raises:
            ModelNotFound: if it does not exist.
        """
        if not NAME.fullmatch(name) or name.startswith("."):
            raise ModelNotFound(name)
        for directory in (self._folder / name / "model", self._folder / name):
            with suppress(PermissionError):
                if directory.is_dir():
                    return directory.resolve()
        raise ModelNotFound(name)


class OneModel:
    """V2's repository of a server that was started with its model.

    Args:
        versions: returns the settings of the model, in each of its versions.
    """

    def __init__(self, versions: Callable[[], _Found]) -> None:
        self._versions = versions

    async def list(self) -> _Found:
        """The settings of the model, in each of its versions."""
        return self._versions()
