"""SageMaker's routes of a container: /ping, /invocations, /execution-parameters.

What they do is told in the developer guide ("Use your own inference code with hosting
services" and "with batch transform").
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from mlserver.errors import MLServerError, ModelNotFound, ModelNotReady
from mlserver.handlers import DataPlane

from mlserver_forest.environment import Environment
from mlserver_forest.serving.http.asgi import Request, Response, json_response
from mlserver_forest.serving.http.routes import Methods
from mlserver_forest.serving.metrics.prometheus import TEXT_MEDIA_TYPE
from mlserver_forest.serving.models.loaded_models import Served
from mlserver_forest.serving.sagemaker.invocations import Invocations

# CreateTransformJob: MaxConcurrentTransforms x MaxPayloadInMB is at most 100.
_MAX_BATCH_MB = 100


class ContainerRoutes:
    """What every container answers, with one model or many.

    Args:
        data_plane: knows whether requests can be answered.
        parameters: for batch transform; see ``execution_parameters``.
        metrics: gives the text of /metrics.
        openapi: the description of the routes.
    """

    def __init__(
        self,
        data_plane: DataPlane,
        parameters: Mapping[str, int],
        metrics: Callable[[], bytes],
        openapi: Mapping[str, Any],
    ) -> None:
        self._data_plane = data_plane
        self._parameters = orjson.dumps(parameters)
        self._metrics = metrics
        self._openapi = orjson.dumps(openapi)

    def table(self) -> Mapping[str, Methods]:
        return {
            "/ping": {"GET": self._ping, "HEAD": self._ping, "POST": self._ping},
            "/execution-parameters": {"GET": self._execution_parameters},
            "/metrics": {"GET": self._scrape, "HEAD": self._scrape},
            "/openapi.json": {"GET": self._describe},
        }

    async def _ping(self, request: Request) -> Response:
        return Response(200 if await self._data_plane.ready() else 503)

    async def _execution_parameters(self, request: Request) -> Response:
        return json_response(self._parameters)

    async def _describe(self, request: Request) -> Response:
        return json_response(self._openapi)

    async def _scrape(self, request: Request) -> Response:
        return Response(200, self._metrics(), ((b"content-type", TEXT_MEDIA_TYPE.encode()),))


class OneModelRoutes:
    """The invocations of a server that was started with its model."""

    def __init__(self, model: Served, invocations: Invocations) -> None:
        self._model = model
        self._invocations = invocations

    def table(self) -> Mapping[str, Methods]:
        return {"/invocations": {"POST": self._invoke}}

    async def _invoke(self, request: Request) -> Response:
        try:
            return await self._invocations.invoke(request, self._model)
        except (ModelNotFound, ModelNotReady) as error:
            raise MLServerError(
                "the model is still being loaded; try again when /ping says 200", 503
            ) from error


def execution_parameters(n_cpus: int, environment: Environment) -> Mapping[str, int]:
    """What a batch transform job should use where its owner did not say.

    ``BatchStrategy`` is left out: SageMaker's default is the right one, and where the
    platform writes MULTI_RECORD, the SageMaker Python SDK's local mode (2.257) accepts
    only MultiRecord.
    """
    payload_mb = min(environment.payload_mb, max(environment.max_body_bytes >> 20, 1))
    concurrent = min(n_cpus, _MAX_BATCH_MB // payload_mb) if payload_mb else 1
    return {"MaxConcurrentTransforms": max(concurrent, 1), "MaxPayloadInMB": payload_mb}
