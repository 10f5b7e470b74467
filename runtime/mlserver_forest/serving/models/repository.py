"""Model directories as MLServer's repositories, and V2's repository API on them."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from mlserver import ModelSettings
from mlserver.errors import MLServerError, ModelNotFound
from mlserver.handlers import ModelRepositoryHandlers
from mlserver.repository import ModelRepository

from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.serving.models.loaded_models import Models
from mlserver_forest.serving.models.model_settings import NAME, settings_of

_Found = list[ModelSettings]  # The class below has a method of the name ``list``.


class ModelsFolder(ModelRepository):
    """V2's repository: the model directories that lie in one folder.

    MLServer's own repository would put a directory on ``sys.path`` and run whatever
    ``implementation`` names (1.7.1, ``settings.py``); here the artifact is checked first.
    """

    def __init__(self, folder: Path, *, trust_pickle: bool) -> None:
        self._folder = folder
        self._trust_pickle = trust_pickle

    async def list(self) -> _Found:
        return await asyncio.to_thread(self._list)

    def _list(self) -> _Found:
        try:
            names = sorted(path.name for path in self._folder.iterdir())
        except OSError:  # There is no such folder, or it is not ours to read.
            return []
        found = []
        for name in names:
            with suppress(InvalidArtifact, ModelNotFound):
                found.append(settings_of(self.directory(name), self._trust_pickle, name))
        return found

    async def find(self, name: str) -> _Found:
        directory = self.directory(name)
        return [await asyncio.to_thread(settings_of, directory, self._trust_pickle, name)]

    def directory(self, name: str) -> Path:
        """Where a model of that name lies: SageMaker unpacks into ``<name>/model``.

        Raises:
            ModelNotFound: if there is none.
        """
        if not NAME.fullmatch(name) or name.startswith("."):
            raise ModelNotFound(name)
        for directory in (self._folder / name / "model", self._folder / name):
            with suppress(PermissionError):
                if directory.is_dir():
                    return directory
        raise ModelNotFound(name)


class OneModel(ModelRepository):
    """V2's repository of a server that was started with its model."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings

    async def list(self) -> _Found:
        return [self._settings]

    async def find(self, name: str) -> _Found:
        if name != self._settings.name:
            raise ModelNotFound(name)
        return await self.list()


class RepositoryHandlers(ModelRepositoryHandlers):
    """V2's repository API on the server's models.

    Args:
        folder: where models are loaded from at run time, or None where the server
            serves the one that it was started with.
    """

    def __init__(
        self, repository: ModelRepository, models: Models, folder: ModelsFolder | None
    ) -> None:
        super().__init__(repository, models.registry)
        self._models = models
        self._folder = folder

    async def load(self, name: str) -> bool:
        if self._folder is None:
            _refuse(f"load {name!r}")
        await self._models.load(self._folder.directory(name), name, replace=True)
        return True

    async def unload(self, name: str) -> bool:
        if self._folder is None:
            _refuse(f"unload {name!r}")
        await self._models.unload(name)
        return True


def _refuse(action: str) -> NoReturn:
    raise MLServerError(
        f"cannot {action}: this server serves the one model it was started with; "
        "start it with SAGEMAKER_MULTI_MODEL=true, or replace the model and restart"
    )
