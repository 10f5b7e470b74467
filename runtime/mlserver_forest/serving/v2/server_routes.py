"""V2's routes about the server and its models, where clients want another answer than MLServer's.

KServe's client reads ``{"live": true}`` and ``{"ready": true}`` from health routes that
MLServer 1.7.1 answers with an empty body; ``tritonclient.http`` asks for the index with an
empty body, which MLServer refuses, and for a configuration, which is Triton's own.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

import orjson
from mlserver.errors import MLServerError
from mlserver.handlers import DataPlane, ModelRepositoryHandlers
from mlserver.types import RepositoryIndexRequest

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.serving.http.asgi import Request, Response
from mlserver_forest.serving.http.routes import Methods

_JSON = ((b"content-type", b"application/json"),)


class V2ServerRoutes:
    """Health, the index of models, and what is not here.

    Args:
        data_plane: knows what is ready.
        handlers: knows the models.
    """

    def __init__(self, data_plane: DataPlane, handlers: ModelRepositoryHandlers) -> None:
        self._data_plane = data_plane
        self._handlers = handlers

    def table(self) -> Mapping[str, Methods]:
        models = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
        return {
            "/v2/health/live": {"GET": self._live},
            "/v2/health/ready": {"GET": self._ready},
            "/v2/repository/index": {"POST": self._index},
            **{f"{model}/ready": {"GET": self._model_ready} for model in models},
            **{f"{model}/config": {"GET": self._config} for model in models},
            **{
                f"{model}/{route}": {"POST": self._not_here}
                for model in models
                for route in ("generate", "generate_stream", "infer_stream")
            },
        }

    async def _live(self, request: Request) -> Response:
        return _health("live", is_well=await self._data_plane.live())

    async def _ready(self, request: Request) -> Response:
        return _health("ready", is_well=await self._data_plane.ready())

    async def _model_ready(
        self, request: Request, name: str, version: str | None = None
    ) -> Response:
        is_ready = await self._data_plane.model_ready(name, version)
        return _health("ready", is_well=is_ready, name=name)

    async def _index(self, request: Request) -> Response:
        question = RepositoryIndexRequest(ready=_wants_ready(request.take_body()))
        index = await self._handlers.index(question)
        return _json(200, [item.model_dump(mode="json") for item in index])

    async def _config(self, request: Request, name: str, version: str | None = None) -> NoReturn:
        raise MLServerError(
            "a model's configuration is Triton's own; GET /v2/models/"
            f"{name} describes its inputs and outputs",
            404,
        )

    async def _not_here(self, request: Request, name: str, version: str | None = None) -> NoReturn:
        raise MLServerError(
            f"tables are not generated or streamed; POST to /v2/models/{name}/infer", 404
        )


def _wants_ready(body: bytes | bytearray) -> bool | None:
    """Whether only models that are ready are asked for, in ``{"ready": true}`` or nothing."""
    try:
        ready = orjson.loads(body).get("ready") if body else None
    except (orjson.JSONDecodeError, AttributeError) as error:
        raise InvalidInput('the body is not {"ready": true}, {} or empty') from error
    if not isinstance(ready, bool | None):
        raise InvalidInput(f"ready: {format_value(ready)} came; expected true or false")
    return ready


def _health(kind: str, *, is_well: bool, **fields: str) -> Response:
    return _json(200 if is_well else 400, {**fields, kind: is_well})


def _json(status: int, document: Any) -> Response:
    return Response(status, orjson.dumps(document), _JSON)
