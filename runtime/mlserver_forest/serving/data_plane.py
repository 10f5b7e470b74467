"""The one way to a model, for every route and protocol."""

from collections.abc import AsyncIterator

from mlserver.errors import InferenceError
from mlserver.handlers import DataPlane
from mlserver.registry import MultiModelRegistry
from mlserver.settings import Settings
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import extract_headers

from mlserver_forest.model import ForestModel
from mlserver_forest.serving.metrics import Metrics

# What runtimes raise on input that they do not understand.
_REFUSALS = (ValueError, TypeError, AttributeError, KeyError, IndexError)


class GuardedDataPlane(DataPlane):
    """MLServer's data plane, with four of its habits (1.7.1) mended.

    It says that it is ready when it has no model; it keeps metrics under any name that
    a client makes up; it puts a client's ``id`` into response headers unchecked; and
    what a runtime raises on wrong input is a failure of the server.
    """

    def __init__(
        self,
        settings: Settings,
        model_registry: MultiModelRegistry,
        metrics: Metrics,
        *,
        needs_model: bool,
    ) -> None:
        super().__init__(settings, model_registry)
        self._registry = model_registry
        self._metrics = metrics
        self._needs_model = needs_model

    async def ready(self) -> bool:
        """Whether requests can be answered: with several models, those that come and go do not
        decide.
        """
        if not self._needs_model:
            return True
        models = list(await self._registry.get_models())
        return bool(models) and all(model.ready for model in models)

    async def infer(
        self, payload: InferenceRequest, name: str, version: str | None = None
    ) -> InferenceResponse:
        """Answer a request.

        Raises:
            MLServerError: if there is no such model, or it refuses the request.
        """
        model = await self._registry.get_model(name, version)
        try:
            response = await super().infer(payload, name, version)
        except _REFUSALS as error:
            if isinstance(model, ForestModel):
                raise
            raise InferenceError(f"{type(model).__name__} refused the input: {error}") from error
        extract_headers(response)
        shape = payload.inputs[0].shape
        self._metrics.inferred(name, shape[0] if shape else 1)
        if not self._metrics.knows(name):  # It was unloaded meanwhile.
            self.forget(name)
        return response

    def forget(self, name: str) -> None:
        """Drop the series of a model that was unloaded; MLServer keeps them for ever."""
        self._metrics.forget(
            name,
            self._ModelInferRequestSuccess,
            self._ModelInferRequestFailure,
            self._ModelInferRequestDuration,
        )

    async def infer_stream(
        self, payloads: AsyncIterator[InferenceRequest], name: str, version: str | None = None
    ) -> AsyncIterator[InferenceResponse]:
        """Answer requests one by one; tables have no other streams."""
        async for payload in payloads:
            yield await self.infer(payload, name, version)
