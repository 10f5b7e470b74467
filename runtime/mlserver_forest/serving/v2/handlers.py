"""Everything that V2 asks of this server; REST and gRPC read the requests and write the answers.

MLServer's errors are translated into this package's errors here.
"""

from collections.abc import Awaitable
from typing import Any

from mlserver.errors import MLServerError
from mlserver.handlers import DataPlane, ModelRepositoryHandlers
from mlserver.repository import ModelRepository
from mlserver.settings import Settings
from mlserver.types import MetadataModelResponse

from mlserver_forest.errors import UnsupportedOperation
from mlserver_forest.serving.errors_table import from_mlserver
from mlserver_forest.serving.models.loaded_models import LoadedModels
from mlserver_forest.serving.models.repository import ModelsFolder
from mlserver_forest.serving.pipeline import Pipeline


class V2Handlers(DataPlane, ModelRepositoryHandlers):
    """MLServer's data plane and its repository API, on the models of this server.

    Inference requests go through the pipeline: MLServer's own data plane (1.7.1) keeps metrics
    under any name that a client makes up, and takes 38 µs for a request besides the model's work.
    It also reports that it is ready without a model.

    Args:
        settings: MLServer's settings.
        pipeline: runs inference requests.
        models: the loaded models.
        repository: the models that could be loaded.
        folder: the folder from which models are loaded at run time; None if the server serves the
            one that it was started with, and is ready only when that is loaded.

    Attributes:
        pipeline: as given.
        models: as given.
        is_leaving: whether the server is about to stop, and should get no more requests.
    """

    def __init__(
        self,
        settings: Settings,
        pipeline: Pipeline,
        models: LoadedModels,
        repository: ModelRepository,
        folder: ModelsFolder | None = None,
    ) -> None:
        DataPlane.__init__(self, settings, models.registry)
        ModelRepositoryHandlers.__init__(self, repository, models.registry)
        self.pipeline = pipeline
        self.models = models
        self.is_leaving = False
        self._folder = folder

    async def ready(self) -> bool:
        """Whether requests can be answered; models that are loaded at run time do not matter."""
        if self.is_leaving:
            return False
        if self._folder is not None:
            return True
        models = list(await self.models.registry.get_models())
        return bool(models) and all(model.ready for model in models)

    async def model_ready(self, name: str, version: str | None = None) -> bool:
        """Whether a model can be asked; raises NotFound if there is no such model."""
        return bool(await _translated(super().model_ready(name, version)))

    async def model_metadata(self, name: str, version: str | None = None) -> MetadataModelResponse:
        """A model's inputs and outputs; raises NotFound if there is no such model."""
        return await _translated(super().model_metadata(name, version))

    async def load(self, name: str) -> bool:
        """Load a model, replacing a loaded model of that name; raises ForestError."""
        folder = self._folder_for("load", name)
        await self.models.load(folder.directory(name), name, replace=True)
        return True

    async def unload(self, name: str) -> bool:
        """Unload a model; raises ForestError."""
        self._folder_for("unload", name)
        await self.models.unload(name)
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
