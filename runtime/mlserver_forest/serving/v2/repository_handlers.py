"""V2's repository API: what can be loaded, loading and unloading."""

from mlserver.types import (
    RepositoryIndexRequest,
    RepositoryIndexResponse,
    RepositoryIndexResponseItem,
    State,
)

from mlserver_forest.errors import ModelNotFound, UnsupportedOperation
from mlserver_forest.serving.models.loaded_models import LoadedModels
from mlserver_forest.serving.models.repository import ModelRepository, ModelsFolder


class RepositoryHandlers:
    """V2's repository API on the server's models.

    Args:
        repository: the models that could be loaded.
        models: those that are.
        folder: the folder from which models are loaded at run time, or None if the server
            serves the one that it was started with.
    """

    def __init__(
        self, repository: ModelRepository, models: LoadedModels, folder: ModelsFolder | None
    ) -> None:
        self._repository = repository
        self._models = models
        self._folder = folder

    async def index(self, question: RepositoryIndexRequest) -> RepositoryIndexResponse:
        """The models of the repository and their states."""
        items = []
        for settings in await self._repository.list():
            state = self._state(settings.name)
            if state == State.READY or not question.ready:
                version = settings.parameters.version if settings.parameters else None
                items.append(
                    RepositoryIndexResponseItem(
                        name=settings.name, version=version, state=state, reason=""
                    )
                )
        return RepositoryIndexResponse(root=items)

    async def load(self, name: str) -> None:
        """Load a model, in the place of the one of that name; raises ForestError."""
        folder = self._folder_for("load", name)
        await self._models.load(folder.directory(name), name, replace=True)

    async def unload(self, name: str) -> None:
        """Unload a model; raises ForestError."""
        self._folder_for("unload", name)
        await self._models.unload(name)

    def _state(self, name: str) -> State:
        try:
            return State.READY if self._models.get(name).mlmodel.ready else State.UNKNOWN
        except ModelNotFound:
            return State.UNAVAILABLE

    def _folder_for(self, action: str, name: str) -> ModelsFolder:
        if self._folder is None:
            raise UnsupportedOperation(
                f"cannot {action} {name!r}: this server serves the one model it was started with; "
                "start it with SAGEMAKER_MULTI_MODEL=true, or replace the model and restart"
            )
        return self._folder
