"""The ASGI application: SageMaker's routes here, everything under /v2 in MLServer's app."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from mlserver.errors import MLServerError, ModelNotFound, ModelNotReady
from mlserver.handlers import DataPlane

from mlserver_forest.errors import (
    InvalidInput,
    NotAcceptable,
    PayloadTooLarge,
    RequestError,
    UnsupportedMediaType,
)
from mlserver_forest.schema import Schema
from mlserver_forest.serving import media_types
from mlserver_forest.serving.asgi import (
    ASGIApp,
    BoundedBody,
    Disconnected,
    Receive,
    Reply,
    Request,
    Response,
    Scope,
    Send,
    headers_of,
)
from mlserver_forest.serving.payloads import decode_request

logger = logging.getLogger(__name__)

STATUS: Mapping[type[RequestError], int] = {
    InvalidInput: 400,
    PayloadTooLarge: 413,
    UnsupportedMediaType: 415,
    NotAcceptable: 406,
}
# Bodies above this are decoded in a thread; decoding this much takes about a millisecond.
_LARGE_BODY = 1 << 16


Handler = Callable[[Request], Awaitable[Response]]


class Application:
    """SageMaker's contract on MLServer's data plane.

    Args:
        data_plane: answers inference requests and says whether the model is ready.
        model_name: the model that /invocations asks.
        schema: what that model expects.
        v2: MLServer's own application.
        metrics: gives the text of /metrics.
        default_accept: the answer's media type where a request leaves it open;
            None means the request's own.
        max_body_bytes: larger bodies are refused before they are read.
    """

    def __init__(
        self,
        data_plane: DataPlane,
        model_name: str,
        schema: Schema,
        v2: ASGIApp,
        metrics: Callable[[], tuple[bytes, str]],
        *,
        default_accept: str | None,
        max_body_bytes: int,
    ) -> None:
        self._data_plane = data_plane
        self._model_name = model_name
        self._schema = schema
        self._v2 = v2
        self._metrics = metrics
        self._default_accept = default_accept
        self._max_body_bytes = max_body_bytes
        self._routes: Mapping[str, Mapping[str, Handler]] = {
            "/ping": {"GET": self._ping, "HEAD": self._ping, "POST": self._ping},
            "/invocations": {"POST": self._invoke},
            "/metrics": {"GET": self._scrape, "HEAD": self._scrape},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI boundary: nothing but an answer leaves it."""
        reply = Reply(send)
        try:
            headers = headers_of(scope["headers"])
            body = BoundedBody(receive, headers, self._max_body_bytes)
            if scope["path"] == "/v2" or scope["path"].startswith("/v2/"):
                await self._v2(scope, body, reply)
                return
            response = await self._answer(scope, headers, body)
        except RequestError as error:
            response = _error(_status(error), str(error))
        except (ModelNotFound, ModelNotReady):  # Of V2 routes, MLServer answers these itself.
            response = _error(503, "the model is still being loaded; try again when /ping says 200")
        except MLServerError as error:
            response = _error(error.status_code, str(error))
        except Disconnected:
            return
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            response = _error(500, "the server failed on this request; its log has the reason")
        if not reply.started:
            await reply.send(response)

    async def _answer(
        self, scope: Scope, headers: Mapping[bytes, bytes], body: BoundedBody
    ) -> Response:
        methods = self._routes.get(scope["path"])
        if methods is None:
            known = ", ".join((*self._routes, "/v2"))
            return _error(404, f"there is no {scope['path']!r}; the routes are {known}")
        handler = methods.get(scope["method"])
        if handler is None:
            allowed = ", ".join(methods)
            error = f"{scope['method']} is not allowed on {scope['path']}; use {allowed}"
            return _error(405, error, (b"allow", allowed.encode()))
        return await handler(Request(headers, await body.read()))

    async def _ping(self, request: Request) -> Response:
        return Response(200 if await self._data_plane.ready() else 503)

    async def _scrape(self, request: Request) -> Response:
        text, media_type = self._metrics()
        return Response(200, text, (_content_type(media_type),))

    async def _invoke(self, request: Request) -> Response:
        sent = media_types.content_type(request.header(b"content-type"))
        default = self._default_accept or sent.essence
        accept = media_types.negotiate(request.header(b"accept"), default)
        arguments = (request.body, sent, accept, self._schema)
        large = len(request.body) > _LARGE_BODY
        invocation = await _run(decode_request, *arguments, in_thread=large)
        response = await self._data_plane.infer(invocation.request, self._model_name)
        body = await _run(invocation.encode, response, in_thread=large)
        return Response(200, body, (_content_type(invocation.media_type),))


async def _run(function: Callable[..., Any], *arguments: Any, in_thread: bool) -> Any:
    """Call a function here, or in a thread where it would keep others waiting."""
    return await asyncio.to_thread(function, *arguments) if in_thread else function(*arguments)


def _status(error: RequestError) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def _error(status: int, message: str, *headers: tuple[bytes, bytes]) -> Response:
    body = orjson.dumps({"error": message})
    return Response(status, body, (_content_type(media_types.JSON), *headers))


def _content_type(media_type: str) -> tuple[bytes, bytes]:
    return b"content-type", media_type.encode()
