"""The model directory as MLServer's repository, and who may load what."""

import asyncio
import re
from pathlib import Path
from typing import Any, NoReturn

from mlserver import ModelSettings
from mlserver.errors import MLServerError, ModelNotFound
from mlserver.handlers import ModelRepositoryHandlers
from mlserver.repository import ModelRepository
from mlserver.settings import ModelParameters, Settings
from pydantic import ValidationError

from mlserver_forest.artifact import read_settings
from mlserver_forest.errors import InvalidArtifact

_Found = list[ModelSettings]  # The class below has a method of the name ``list``.
_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}")
_PASSED_ON = ("platform", "versions", "inputs", "outputs")


class ModelDirectory(ModelRepository):
    """One model directory.

    MLServer's own repository would put the directory on ``sys.path`` and run whatever
    ``implementation`` names (1.7.1, ``settings.py``); here the artifact was checked first.
    """

    def __init__(self, directory: Path, *, trust_pickle: bool) -> None:
        self._directory = directory
        self._trust_pickle = trust_pickle

    def settings(self) -> ModelSettings:
        """The model's settings.

        Raises:
            InvalidArtifact: if there is no model, or it must not be served.
        """
        found = read_settings(self._directory, trust_pickle=self._trust_pickle)
        return _model_settings(found, default_name=self._directory.name)

    async def list(self) -> _Found:
        return [await asyncio.to_thread(self.settings)]

    async def find(self, name: str) -> _Found:
        found = [settings for settings in await self.list() if settings.name == name]
        if not found:
            raise ModelNotFound(name)
        return found


class FixedRepositoryHandlers(ModelRepositoryHandlers):
    """V2's repository API where the set of models does not change: the index only."""

    async def load(self, name: str) -> bool:
        _refuse(f"load {name!r}")

    async def unload(self, name: str) -> bool:
        _refuse(f"unload {name!r}")


class _Fixed:
    """Settings that come from what is passed and from nowhere else.

    MLServer's also read ``MLSERVER_*`` variables and a ``.env`` file in the working
    directory, where some name code to import.
    """

    @classmethod
    def settings_customise_sources(
        cls, _: type[Any], init_settings: Any, *others: Any, **named: Any
    ) -> tuple[Any, ...]:
        return (init_settings,)


class FixedSettings(_Fixed, Settings):
    """MLServer's settings of the server."""


class _FixedModelSettings(_Fixed, ModelSettings):
    pass


class _FixedModelParameters(_Fixed, ModelParameters):
    pass


def _model_settings(found: dict[str, Any], default_name: str) -> ModelSettings:
    parameters = found["parameters"]
    version = parameters.get("version")
    name = str(found.get("name") or default_name)
    if not _NAME.fullmatch(name):
        raise InvalidArtifact(f"the model's name {name!r} is not made of letters, digits, . _ -")
    try:
        return _FixedModelSettings(
            name=name,
            implementation=found["implementation"],
            **{key: found[key] for key in _PASSED_ON if key in found},
            parameters=_FixedModelParameters(
                uri=parameters["uri"], version=None if version is None else str(version)
            ),
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidArtifact(f"model-settings.json, {place}: {first['msg']}") from error


def _refuse(action: str) -> NoReturn:
    raise MLServerError(
        f"cannot {action}: this server serves the one model it was started with; "
        "start another server, or replace the model and restart"
    )
