"""Everything that V2 asks of this server; REST and gRPC read the requests and write the answers."""

from collections.abc import Collection

from mlserver.types import (
    MetadataModelResponse,
    MetadataServerResponse,
    RepositoryIndexRequest,
    RepositoryIndexResponse,
    RepositoryIndexResponseItem,
    State,
)

from mlserver_forest.errors import (
    InvalidInput,
    ModelNotFound,
    UnsupportedOperation,
    format_value,
    printable,
)
from mlserver_forest.serving.models.loaded_models import LoadedModels
from mlserver_forest.serving.models.repository import ModelRepository, ModelsFolder
from mlserver_forest.serving.pipeline import Pipeline

# Of Triton's ensembles; its client sends it with every unload.
_DEPENDENTS = "unload_dependents"


class V2Handlers:
    """Readiness, metadata and the repository API, for the models of this server.

    MLServer's own handlers (1.7.1) report that they are ready without a model, keep metrics under
    any name that a client makes up, and let loads and unloads of one name run into each other.
    Inference requests go through the pipeline.

    Args:
        metadata: the server's name, version and extensions.
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
        metadata: MetadataServerResponse,
        pipeline: Pipeline,
        models: LoadedModels,
        repository: ModelRepository,
        folder: ModelsFolder | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.models = models
        self.is_leaving = False
        self._metadata = metadata
        self._repository = repository
        self._folder = folder

    def is_ready(self) -> bool:
        """Whether requests can be answered; models that are loaded at run time do not matter."""
        return not self.is_leaving and (self._folder is not None or len(self.models) > 0)

    async def is_model_ready(self, name: str, version: str | None = None) -> bool:
        """Whether a model can be asked; raises ModelNotFound if there is no such model."""
        await self.models.wait_for(name)
        return bool(self.models.get(name, version).mlmodel.ready)

    def metadata(self) -> MetadataServerResponse:
        """The server's name, version and extensions."""
        return self._metadata

    async def model_metadata(self, name: str, version: str | None = None) -> MetadataModelResponse:
        """A model's inputs and outputs; raises ModelNotFound if there is no such model."""
        await self.models.wait_for(name)
        versions = self.models.versions(name, version)
        found = await versions.get(version).runtime.metadata()
        # The ``versions`` of model-settings.json are those of libraries; here stand those that a
        # request may name (Open Inference Protocol, "Model Metadata").
        return found.model_copy(update={"versions": list(versions.names)})

    async def index(self, question: RepositoryIndexRequest) -> RepositoryIndexResponse:
        """The models of the repository and their states."""
        items = []
        for settings in await self._repository.list():
            state = self._state(settings.name)
            if state == State.READY or not question.ready:
                version = settings.parameters.version if settings.parameters else None
                item = RepositoryIndexResponseItem(
                    name=settings.name, version=version, state=state, reason=""
                )
                items.append(item)
        return RepositoryIndexResponse(root=items)

    async def load(self, name: str, parameters: Collection[str] = ()) -> None:
        """Load a model, replacing a loaded model of that name; raises ForestError.

        Args:
            name: the name of the model.
            parameters: the names of those that came with the request; Triton's give the model's
                configuration and files, which here lie in its folder.
        """
        _check_parameters("load", parameters, known=())
        folder = self._folder_for("load", name)
        await self.models.load(folder.directory(name), name, replace=True)

    async def unload(self, name: str, parameters: Collection[str] = ()) -> None:
        """Unload a model, on which no other depends; raises ForestError."""
        _check_parameters("unload", parameters, known=(_DEPENDENTS,))
        self._folder_for("unload", name)
        await self.models.unload(name)

    def _state(self, name: str) -> State:
        if self.models.is_missing(name):
            return State.READY  # It is loaded when it is asked.
        try:
            return State.READY if self.models.get(name).mlmodel.ready else State.UNKNOWN
        except ModelNotFound:
            return State.UNAVAILABLE

    def _folder_for(self, action: str, name: str) -> ModelsFolder:
        if self._folder is None:
            raise UnsupportedOperation(
                f"cannot {action} {format_value(name, 255)}: this server serves the one model it "
                "was started with; start it with SAGEMAKER_MULTI_MODEL=true, or replace the model "
                "and restart"
            )
        return self._folder


def _check_parameters(action: str, names: Collection[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise InvalidInput(
                f"parameters.{printable(name)} came with {action}, which this server does not "
                "understand; a model is what lies in its folder: leave it out"
            )
