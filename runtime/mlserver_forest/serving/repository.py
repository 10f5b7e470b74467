"""The model directory as MLServer's repository, and who may load what."""

import asyncio
from pathlib import Path
from typing import Any, NoReturn

from mlserver import ModelSettings
from mlserver.errors import MLServerError, ModelNotFound
from mlserver.handlers import DataPlane, ModelRepositoryHandlers
from mlserver.registry import MultiModelRegistry
from mlserver.repository import ModelRepository
from mlserver.settings import ModelParameters, Settings

from mlserver_forest.artifact import read_settings
from mlserver_forest.errors import InvalidArtifact

_Found = list[ModelSettings]  # The class below has a method of the name ``list``.
_PASSED_ON = ("platform", "versions", "inputs", "outputs")


class ModelDirectory(ModelRepository):
    """One model directory.

    MLServer's own repository would put the directory on ``sys.path``, run whatever
    ``implementation`` names, and fill absent fields from ``MLSERVER_MODEL_*``
    variables (1.7.1, ``settings.py``); here the artifact was checked first, and
    every field has a value.
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


class ReadyWhenLoaded(DataPlane):
    """MLServer's data plane, not ready before a model is (1.7.1 says ready with none)."""

    def __init__(self, settings: Settings, model_registry: MultiModelRegistry) -> None:
        super().__init__(settings, model_registry)
        self._registry = model_registry

    async def ready(self) -> bool:
        models = list(await self._registry.get_models())
        return bool(models) and all(model.ready for model in models)


def _model_settings(found: dict[str, Any], default_name: str) -> ModelSettings:
    parameters = found["parameters"]
    version = parameters.get("version")
    try:
        return ModelSettings(
            name=str(found.get("name") or default_name),
            implementation=found["implementation"],
            **{key: found.get(key) or ("" if key == "platform" else []) for key in _PASSED_ON},
            parameters=ModelParameters(
                uri=parameters["uri"],
                version=None if version is None else str(version),
                content_type=None,
                environment_path=None,
                environment_tarball=None,
                inference_pool_gid=None,
                format=None,
                extra={},
            ),
            max_batch_size=0,
            max_batch_time=0.0,
            cache_enabled=False,
        )
    except ValueError as error:  # pydantic's ValidationError is one.
        raise InvalidArtifact(f"model-settings.json is not valid: {error}") from error


def _refuse(action: str) -> NoReturn:
    raise MLServerError(
        f"cannot {action}: this server serves the one model it was started with; "
        "start another server, or replace the model and restart"
    )
