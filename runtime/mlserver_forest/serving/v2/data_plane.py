"""The one way to a model, for every route and protocol."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from time import perf_counter
from typing import Any

from mlserver import MLModel
from mlserver.context import model_context
from mlserver.errors import InferenceError, ModelNotReady
from mlserver.handlers import DataPlane
from mlserver.registry import MultiModelRegistry
from mlserver.settings import Settings
from mlserver.types import InferenceRequest, InferenceResponse
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Prediction
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.models.runtime import ForestModel
from mlserver_forest.serving.process.offload import Work, has_few_rows

# What many rows may take a foreign runtime.
_LONG_SECONDS = 0.1
# What runtimes raise on input that they do not understand.
_REFUSALS = (ValueError, TypeError, AttributeError, KeyError, IndexError)


class GuardedDataPlane(DataPlane):
    """MLServer's data plane, with five of its habits (1.7.1) mended.

    It says that it is ready when it has no model; it keeps metrics under any name that
    a client makes up; it puts a client's ``id`` into response headers unchecked; what a
    runtime raises on wrong input is a failure of the server; and a request costs 38 µs
    beside the model's own work, most of them for metrics that are looked up anew.

    Attributes:
        is_leaving: whether the server is about to end, so that no more requests should come.
    """

    def __init__(
        self,
        settings: Settings,
        model_registry: MultiModelRegistry,
        metrics: Metrics,
        work: Work,
        *,
        needs_model: bool,
    ) -> None:
        super().__init__(settings, model_registry)
        self._registry = model_registry
        self._work = work
        self._metrics = metrics
        self._needs_model = needs_model
        self.is_leaving = False

    async def ready(self) -> bool:
        """Whether requests can be answered: with several models, those that come and go do not
        decide.
        """
        if self.is_leaving:
            return False
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
        started = perf_counter()
        model = await self._registry.get_model(name, version)
        if not model.ready:
            raise ModelNotReady(name, version)
        response = None
        try:
            response = await self._predict(model, payload)
            response.id = payload.id
        finally:
            seconds = perf_counter() - started
            if response is None:
                self._metrics.failed(name, version, seconds)
            else:
                shape = payload.inputs[0].shape
                n_rows = shape[0] if shape else 1
                self._metrics.inferred(name, version, n_rows, seconds)
        return response

    async def predict_row(
        self, x: NDArray[Any], name: str
    ) -> tuple[ForestModel, Prediction] | None:
        """Answer a request of one row without messages, if the model is a small forest of ours.

        Args:
            x: (1, n_features) of the dtype of the model's features, without missing values.
            name: of the model.

        Raises:
            MLServerError: if there is no such model.
        """
        started = perf_counter()
        model = await self._registry.get_model(name)
        if not isinstance(model, ForestModel) or not model.ready or not model.is_quick(x):
            return None
        prediction = model.predict_rows(x)
        self._metrics.inferred(name, None, 1, perf_counter() - started)
        return model, prediction

    async def infer_stream(
        self, payloads: AsyncIterator[InferenceRequest], name: str, version: str | None = None
    ) -> AsyncIterator[InferenceResponse]:
        """Answer requests one by one; tables have no other streams."""
        async for payload in payloads:
            yield await self.infer(payload, name, version)

    async def _predict(self, model: MLModel, payload: InferenceRequest) -> InferenceResponse:
        if not isinstance(model, ForestModel):
            return await self._predict_in_thread(model, payload)
        if not model.is_large(payload):
            return await model.predict(payload)
        async with self._work.large(model.seconds_for(payload)):
            return await model.predict(payload)

    async def _predict_in_thread(
        self, model: MLModel, payload: InferenceRequest
    ) -> InferenceResponse:
        """MLServer's runtimes work where they are called, and all else would wait for them."""
        has_place = nullcontext() if has_few_rows(payload) else self._work.large(_LONG_SECONDS)
        try:
            with model_context(model.settings):
                async with has_place:
                    return await asyncio.to_thread(asyncio.run, model.predict(payload))
        except _REFUSALS as error:
            raise InferenceError(f"{type(model).__name__} refused the input: {error}") from error
