"""The one way to a model, for every route and protocol."""

from collections.abc import AsyncIterator

from mlserver.errors import InferenceError
from mlserver.handlers import DataPlane
from mlserver.registry import MultiModelRegistry
from mlserver.settings import Settings
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import extract_headers

from mlserver_forest.model import ForestModel


class GuardedDataPlane(DataPlane):
    """MLServer's data plane, with four of its habits (1.7.1) mended.

    It says that it is ready when it has no model; it keeps metrics under any name that
    a client makes up; it puts a client's ``id`` into response headers unchecked; and
    what a runtime raises on wrong input is a failure of the server.
    """

    def __init__(self, settings: Settings, model_registry: MultiModelRegistry) -> None:
        super().__init__(settings, model_registry)
        self._registry = model_registry

    async def ready(self) -> bool:
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
        except (ValueError, TypeError) as error:
            if isinstance(model, ForestModel):
                raise
            raise InferenceError(f"{type(model).__name__} refused the input: {error}") from error
        extract_headers(response)
        return response

    async def infer_stream(
        self, payloads: AsyncIterator[InferenceRequest], name: str, version: str | None = None
    ) -> AsyncIterator[InferenceResponse]:
        """Answer requests one by one; tables have no other streams."""
        async for payload in payloads:
            yield await self.infer(payload, name, version)
