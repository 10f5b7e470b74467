"""Whether the server and its models are ready, and what they are."""

from mlserver.settings import Settings
from mlserver.types import MetadataModelResponse, MetadataServerResponse

from mlserver_forest.serving.models.loaded_models import LoadedModels


class ServerState:
    """What the health and metadata routes of SageMaker and V2 answer.

    MLServer's data plane (1.7.1) says that it is ready when it has no model, and keeps metrics
    under any name that a client makes up.

    Args:
        settings: MLServer's.
        models: the loaded models.
        needs_model: whether the server is ready only when its model is loaded.

    Attributes:
        is_leaving: whether the server is about to end, so that it should get no more requests.
    """

    def __init__(self, settings: Settings, models: LoadedModels, *, needs_model: bool) -> None:
        self._settings = settings
        self._models = models
        self._needs_model = needs_model
        self.is_leaving = False

    def is_ready(self) -> bool:
        """Whether requests can be answered; models that come and go do not matter."""
        return not self.is_leaving and (len(self._models) > 0 or not self._needs_model)

    def is_model_ready(self, name: str, version: str | None = None) -> bool:
        """Whether a model can be asked; raises ModelNotFound if there is no such model."""
        return bool(self._models.get(name, version).mlmodel.ready)

    def metadata(self) -> MetadataServerResponse:
        """The server's name, version and extensions."""
        settings = self._settings
        return MetadataServerResponse(
            name=settings.server_name,
            version=settings.server_version,
            extensions=settings.extensions,
        )

    async def model_metadata(self, name: str, version: str | None = None) -> MetadataModelResponse:
        """A model's inputs and outputs; raises ModelNotFound if there is no such model."""
        return await self._models.get(name, version).mlmodel.metadata()
