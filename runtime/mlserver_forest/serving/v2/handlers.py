"""MLServer's handlers for everything except inference: readiness, metadata and the repository.

Their errors are translated into this package's errors here.
"""

from collections.abc import Awaitable
from typing import Any

from mlserver.errors import MLServerError
from mlserver.handlers import DataPlane, ModelRepositoryHandlers
from mlserver.registry import MultiModelRegistry
from mlserver.repository import ModelRepository
from mlserver.settings import Settings
from mlserver.types import MetadataModelResponse

from mlserver_forest.errors import UnsupportedOperation
from mlserver_forest.serving.errors_table import from_mlserver
from mlserver_forest.serving.models.loaded_models import LoadedModels
from mlserver_forest.serving.models.repository import ModelsFolder


class ServerDataPlane(DataPlane):
    """MLServer's data plane without ``infer``: inference requests go through the pipeline.

    MLServer's own data plane (1.7.1) reports that it is ready without a model, keeps metrics under
    any name that a client makes up, and takes 38 µs for a request besides the model's work.

    Args:
        settings: MLServer's settings.
        registry: the registry of the loaded models.
        needs_model: whether the server is ready only when its model is loaded.

    Attributes:
        is_leaving: whether the server is about to stop, and should get no more requests.
    """

    def __init__(
        self, settings: Settings, registry: MultiModelRegistry, *, needs_model: bool
    ) -> None:
        super().__init__(settings, registry)
        self._registry = registry
        self._needs_model = needs_model
        self.is_leaving = False

    async def ready(self) -> bool:
        """Whether requests can be answered; models that are loaded at run time do not matter."""
        if self.is_leaving:
            return False
        if not self._needs_model:
            return True
        models = list(await self._registry.get_models())
        return bool(models) and all(model.ready for model in models)

    async def model_ready(self, name: str, version: str | None = None) -> bool:
        """Whether a model can answer; raises NotFound if there is no such model."""
        return bool(await _translated(super().model_ready(name, version)))

    async def model_metadata(self, name: str, version: str | None = None) -> MetadataModelResponse:
        """A model's inputs and outputs; raises NotFound if there is no such model."""
        return await _translated(super().model_metadata(name, version))


class RepositoryHandlers(ModelRepositoryHandlers):
    """V2's repository API for the server's models.

    Args:
        repository: the models that can be loaded.
        models: the models that are loaded.
        folder: the folder from which models are loaded at run time, or None if the server
            serves only the model that it was started with.
    """

    def __init__(
        self, repository: ModelRepository, models: LoadedModels, folder: ModelsFolder | None
    ) -> None:
        super().__init__(repository, models.registry)
        self._models = models
        self._folder = folder

    async def load(self, name: str) -> bool:
        """Load a model, replacing a loaded model of that name; raises ForestError."""
        folder = self._folder_for("load", name)
        await self._models.load(folder.directory(name), name, replace=True)
        return True

    async def unload(self, name: str) -> bool:
        """Unload a model; raises ForestError."""
        self._folder_for("unload", name)
        await self._models.unload(name)
        return True

    def _folder_for(self, action: str, name: str) -> ModelsFolder:
        if self._folder is None:
            raise UnsupportedOperation(
                f"cannot {action} {name!r}: this server serves the one model it was started with; "
                "start it with SAGEMAKER_MULTI_MODEL=true, or replace the model and restart"
            )
        return self._folder


async def _translated(answer: Awaitable[Any]) -> Any:
    try:
        return await answer
    except MLServerError as error:
        raise from_mlserver(error) from error
