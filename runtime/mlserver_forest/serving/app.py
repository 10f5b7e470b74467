"""The ASGI application: routes to small handlers, and one table from errors to statuses."""

import logging
from collections.abc import Mapping
from time import perf_counter

import orjson
from mlserver.errors import MLServerError

from mlserver_forest.errors import (
    InvalidArtifact,
    InvalidInput,
    NotAcceptable,
    PayloadTooLarge,
    UnsupportedMediaType,
)
from mlserver_forest.serving import request_ids
from mlserver_forest.serving.asgi import (
    CUSTOM_ATTRIBUTES,
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
from mlserver_forest.serving.metrics import Metrics
from mlserver_forest.serving.routes import Match, Methods, Routes

logger = logging.getLogger(__name__)

STATUS: Mapping[type[Exception], int] = {
    InvalidInput: 400,
    PayloadTooLarge: 413,
    UnsupportedMediaType: 415,
    NotAcceptable: 406,
    InvalidArtifact: 400,
}
_JSON = (b"content-type", b"application/json")
_V2 = b"/v2"
# Only these take rows; a body of another route is a short document.
_WITH_ROWS = ("/invocations", "/invoke", "/infer")
_SMALL_BODY = 1 << 16


class Application:
    """Every route of the port.

    Args:
        table: pattern -> method -> handler.
        v2: MLServer's own application, for the V2 routes that ``table`` has not.
        metrics: counts answers.
        max_body_bytes: larger bodies are refused before they are read.
    """

    def __init__(
        self,
        table: Mapping[str, Methods],
        v2: ASGIApp,
        metrics: Metrics,
        *,
        max_body_bytes: int,
    ) -> None:
        self._routes = Routes(table)
        self._v2 = v2
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI boundary: nothing but an answer leaves it."""
        started = perf_counter()
        headers = headers_of(scope["headers"])
        request_ids.begin(headers.get(request_ids.HEADER))
        reply = Reply(send)
        request = Request(headers, scope["query_string"])
        match = self._routes.find(scope["raw_path"])
        try:
            body = self._bounded(receive, headers, match)
            if match is None and _is_v2(scope["raw_path"]):
                await self._v2(scope, body, reply)
            else:
                response = await self._answer(match, scope, request, body)
                await reply.send(_echoing(response, headers.get(CUSTOM_ATTRIBUTES)))
        except Disconnected:
            return
        except Exception as error:  # noqa: BLE001  # the boundary; _explain logs it
            response = self._explain(error, scope)
            if not reply.started:  # Of an answer that breaks off, Uvicorn ends the connection.
                await reply.send(_echoing(response, headers.get(CUSTOM_ATTRIBUTES)))
        pattern = match.pattern if match else "/v2" if _is_v2(scope["raw_path"]) else "unknown"
        seconds = perf_counter() - started
        self._metrics.answered(scope["method"], pattern, reply.status, request.model, seconds)

    def _bounded(
        self, receive: Receive, headers: Mapping[bytes, bytes], match: Match | None
    ) -> BoundedBody:
        if match and match.pattern.endswith(_WITH_ROWS):
            way_out = "send fewer rows at a time, or raise MAX_CONTENT_LENGTH"
            return BoundedBody(receive, headers, self._max_body_bytes, way_out)
        way_out = "this route takes no rows; send them to /invocations or to V2's infer"
        return BoundedBody(receive, headers, _SMALL_BODY, way_out)

    async def _answer(
        self, match: Match | None, scope: Scope, request: Request, body: BoundedBody
    ) -> Response:
        if match is None:
            patterns = [name for name in self._routes.patterns if not name.startswith("/v2")]
            known = ", ".join((*patterns, "/v2"))
            return error_response(404, f"there is no {scope['path']!r}; the routes are {known}")
        handler = match.methods.get(scope["method"])
        if handler is None:
            allowed = ", ".join(match.methods)
            error = f"{scope['method']} is not allowed on {scope['path']}; use {allowed}"
            return error_response(405, error, (b"allow", allowed.encode()))
        request.body = await body.read()
        return await handler(request, *match.names)

    def _explain(self, error: Exception, scope: Scope) -> Response:
        """The answer to a request that failed, which names the fix where there is one."""
        if isinstance(error, MLServerError):
            return error_response(error.status_code, str(error))
        for kind in type(error).__mro__:
            if kind in STATUS:
                return error_response(STATUS[kind], str(error))
        logger.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
        return error_response(500, "the server failed on this request; its log has the reason")


def error_response(status: int, message: str, *headers: tuple[bytes, bytes]) -> Response:
    """``{"error": ..., "request_id": ...}``, the one form of an error."""
    body = orjson.dumps({"error": message, "request_id": request_ids.current()})
    return Response(status, body, (_JSON, *headers))


def _is_v2(raw_path: bytes) -> bool:
    return raw_path == _V2 or raw_path.startswith(_V2 + b"/")


def _echoing(response: Response, attributes: bytes | None) -> Response:
    """SageMaker does not give custom attributes back by itself."""
    if attributes is None:
        return response
    return Response(
        response.status, response.body, (*response.headers, (CUSTOM_ATTRIBUTES, attributes))
    )
