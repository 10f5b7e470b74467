"""SageMaker's routes for a container: /ping, /invocations, /execution-parameters.

The developer guide describes them ("Use your own inference code with hosting services" and
"with batch transform").
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Any

import orjson

from mlserver_forest.environment import Environment
from mlserver_forest.errors import InvalidInput, ModelNotFound, NotReady, format_value
from mlserver_forest.serving.http.request import TARGET_MODEL, Request
from mlserver_forest.serving.http.response import Response, json_response
from mlserver_forest.serving.http.routes import Methods
from mlserver_forest.serving.metrics.prometheus import TEXT_MEDIA_TYPE
from mlserver_forest.serving.models.loaded_models import LoadedModels
from mlserver_forest.serving.sagemaker.invocations import Invocations

# CreateTransformJob: MaxConcurrentTransforms x MaxPayloadInMB is at most 100.
_MAX_BATCH_MB = 100
# Metrics that took so long are answered again for some times as long, whoever asks.
_LONG_SECONDS = 0.05
_TIMES_KEPT = 10


class ContainerRoutes:
    """The routes of every container, with one model or many.

    Args:
        is_ready: returns whether the server can answer requests.
        parameters: the parameters for batch transform; see ``execution_parameters``.
        metrics: returns the text of /metrics.
        openapi: the description of the routes.
    """

    def __init__(
        self,
        is_ready: Callable[[], bool],
        parameters: Mapping[str, int],
        metrics: Callable[[], bytes],
        openapi: Mapping[str, Any],
    ) -> None:
        self._is_ready = is_ready
        self._parameters = orjson.dumps(parameters)
        self._metrics = metrics
        self._scraping = asyncio.Lock()
        self._text = b""
        self._kept_until = 0.0
        self._openapi = orjson.dumps(openapi)

    def table(self) -> Mapping[str, Methods]:
        """The routes, for ``Application``."""
        return {
            "/ping": {"GET": self._ping, "POST": self._ping},
            "/execution-parameters": {"GET": self._execution_parameters},
            "/metrics": {"GET": self._scrape},
            "/openapi.json": {"GET": self._describe},
        }

    async def _ping(self, request: Request) -> Response:
        return Response(200 if self._is_ready() else 503)

    async def _execution_parameters(self, request: Request) -> Response:
        return json_response(self._parameters)

    async def _describe(self, request: Request) -> Response:
        return json_response(self._openapi)

    async def _scrape(self, request: Request) -> Response:
        """The metrics; of hundreds of models they take a second, and are then kept for a while."""
        async with self._scraping:
            if monotonic() >= self._kept_until:
                began = monotonic()
                self._text = await asyncio.to_thread(self._metrics)
                took = monotonic() - began
                self._kept_until = monotonic() + (_TIMES_KEPT * took if took > _LONG_SECONDS else 0)
        return Response(200, self._text, ((b"content-type", TEXT_MEDIA_TYPE.encode()),))


class OneModelRoutes:
    """The invocations of a server that was started with its model.

    Args:
        models: the loaded models.
        name: the name of the model.
        invocations: answers the invocations.
    """

    def __init__(self, models: LoadedModels, name: str, invocations: Invocations) -> None:
        self._models = models
        self._name = name
        self._invocations = invocations

    def table(self) -> Mapping[str, Methods]:
        """The routes, for ``Application``."""
        return {"/invocations": {"POST": self._invoke}}

    def _invoke(self, request: Request) -> Awaitable[Response]:
        target = request.header(TARGET_MODEL)
        if target is not None and target != self._name:
            raise InvalidInput(
                f"X-Amzn-SageMaker-Target-Model is {format_value(target)}, but this server has the "
                f"model {format_value(self._name)} alone; leave the header out, or start the "
                "server with SAGEMAKER_MULTI_MODEL=true"
            )
        try:
            chosen = self._models.choose(self._name)
        except ModelNotFound as error:
            raise NotReady(
                "the model is still being loaded; try again when /ping says 200"
            ) from error
        return self._invocations.invoke(request, chosen)


def execution_parameters(n_cpus: int, environment: Environment) -> Mapping[str, int]:
    """The parameters that a batch transform job should use if its owner does not set any.

    ``BatchStrategy`` is left out: SageMaker's default is right, and the local mode of the SageMaker
    Python SDK (2.257) refuses the platform's MULTI_RECORD: it accepts only MultiRecord.

    Args:
        n_cpus: the number of CPUs that the container may use.
        environment: has the limits on the size of a body.
    """
    payload_mb = min(environment.payload_mb, max(environment.max_body_bytes >> 20, 1))
    concurrent = min(n_cpus, _MAX_BATCH_MB // payload_mb) if payload_mb else 1
    return {"MaxConcurrentTransforms": max(concurrent, 1), "MaxPayloadInMB": payload_mb}
