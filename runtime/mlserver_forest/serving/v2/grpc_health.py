"""grpc.health.v1: the health service that Kubernetes, Envoy and gRPC's own clients ask.

"" and the name of the inference service stand for the server; any other name is that of a model.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from mlserver_forest.errors import NotFound, printable
from mlserver_forest.serving.v2.grpc_descriptors import file_of, message_class
from mlserver_forest.serving.v2.handlers import V2Handlers

_STATUS = "HealthCheckResponse.ServingStatus"
SERVICE = "grpc.health.v1.Health"
FILE = file_of(
    "grpc.health.v1",
    {
        "HealthCheckRequest": [("service", 1, "string")],
        "HealthCheckResponse": [("status", 1, _STATUS)],
    },
    {_STATUS: ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"]},
    {
        "Health": {
            "Check": ("HealthCheckRequest", "HealthCheckResponse", False, False),
            "Watch": ("HealthCheckRequest", "HealthCheckResponse", False, True),
        }
    },
)
HealthCheckRequest = message_class(FILE, "HealthCheckRequest")
_HealthCheckResponse = message_class(FILE, "HealthCheckResponse")
_SERVING, _NOT_SERVING, _SERVICE_UNKNOWN = 1, 2, 3
# How soon a client that watches learns of a change.
_ROUND_SECONDS = 0.25


class Health:
    """The methods of the service.

    Args:
        handlers: know whether the server and its models are ready.
        server_names: the names that stand for the server.
    """

    def __init__(self, handlers: V2Handlers, server_names: frozenset[str]) -> None:
        self._handlers = handlers
        self._server_names = server_names

    async def check(self, request: Any) -> Any:
        """The state of a service; raises NotFound if it is neither the server nor a model."""
        status = await self._status(request.service)
        if status == _SERVICE_UNKNOWN:
            raise NotFound(
                f"there is no service or model {printable(request.service)}; ask for "
                f"{', '.join(sorted(self._server_names - {''}))}, a model, or nothing"
            )
        return _HealthCheckResponse(status=status)

    async def watch(self, request: Any) -> AsyncIterator[Any]:
        """The state now, and again whenever it changes, until the client leaves."""
        told = None
        while True:
            status = await self._status(request.service)
            if status != told:
                told = status
                yield _HealthCheckResponse(status=status)
            await asyncio.sleep(_ROUND_SECONDS)

    async def _status(self, name: str) -> int:
        is_ready = self._handlers.is_ready()
        if name not in self._server_names:
            try:
                is_ready = await self._handlers.is_model_ready(name) and is_ready
            except NotFound:
                return _SERVICE_UNKNOWN
        return _SERVING if is_ready else _NOT_SERVING
