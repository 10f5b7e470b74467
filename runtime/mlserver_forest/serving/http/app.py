"""The application: routes to small handlers, and one table from errors to statuses."""

import logging
from collections.abc import Awaitable, Mapping
from time import perf_counter

import orjson
from mlserver.errors import MLServerError

from mlserver_forest.errors import (
    ForestError,
    InvalidArtifact,
    InvalidInput,
    NotAcceptable,
    PayloadTooLarge,
    UnsupportedMediaType,
)
from mlserver_forest.serving.http import request_ids
from mlserver_forest.serving.http.asgi import CUSTOM_ATTRIBUTES, Limit, Request, Response
from mlserver_forest.serving.http.routes import Handler, Methods, Routes
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.process.admission import Admission
from mlserver_forest.serving.process.loop_iteration import LoopIteration
from mlserver_forest.serving.process.offload import is_large, seconds_for

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
_SMALL = Limit(1 << 16, "this route takes no rows; send them to /invocations or to V2's infer")
_UNAVAILABLE = 503
# Seconds; a worker that is overloaded for longer will say so again.
_RETRY_AFTER = (b"retry-after", b"1")


class Application:
    """Every route of the port.

    A request is answered by ``begin``, ``respond`` and ``end``; ``refusal`` may come first
    where its body is not worth reading.

    Args:
        table: pattern -> method -> handler.
        v2: answers the V2 routes that ``table`` does not have; MLServer's application.
        metrics: counts answers.
        admission: refuses small requests that come too late.
        max_body_bytes: larger bodies are refused before they are read.
    """

    def __init__(
        self,
        table: Mapping[str, Methods],
        v2: Handler,
        metrics: Metrics,
        admission: Admission,
        *,
        max_body_bytes: int,
    ) -> None:
        self._routes = Routes(table)
        self._v2 = v2
        self._metrics = metrics
        self._admission = admission
        self._rows = Limit(max_body_bytes, "send fewer rows at a time, or raise MAX_CONTENT_LENGTH")

    def begin(
        self, method: str, path: bytes, query: bytes, headers: Mapping[bytes, bytes]
    ) -> Request:
        """A request whose headers came; it does not have its body yet."""
        return Request(method, path, query, headers, self._routes.find(path))

    def most_body_bytes(self, request: Request) -> int:
        """The length above which a body is refused."""
        return self._limit(request).n_bytes

    async def respond(self, request: Request, iteration: LoopIteration) -> Response:
        """Answer a request that is complete and whose turn has come."""
        request_ids.begin(request.headers.get(request_ids.HEADER))
        return await self._guarded(request, self._answer_soon(request, iteration))

    def refusal(self, request: Request) -> Response | None:
        """The response to a request whose body is not worth reading; None if it is."""
        length = int(request.headers.get(b"content-length", b"0"))
        request_ids.begin(request.headers.get(request_ids.HEADER))
        try:
            self._limit(request).check_head(request.headers)
            self._check_place(request, length)
        except (ForestError, MLServerError) as error:
            return _echoing(self._explain(error, request), request)
        return None

    def end(self, request: Request, status: int) -> None:
        """Count a request that was answered."""
        match = request.match
        pattern = match.pattern if match else "/v2" if _is_v2(request.path) else "unknown"
        seconds = perf_counter() - request.started
        self._metrics.answered(request.method, pattern, status, request.model, seconds)

    async def _guarded(self, request: Request, work: Awaitable[Response]) -> Response:
        """What the work gives, or the explanation of why it failed."""
        try:
            return await work
        except Exception as error:  # noqa: BLE001  # the boundary; _explain logs it
            return _echoing(self._explain(error, request), request)

    async def _answer_soon(self, request: Request, iteration: LoopIteration) -> Response:
        if request.takes_rows:
            self._admission.check_turn(iteration)
        limit = self._limit(request)
        limit.check_head(request.headers)
        limit.check(len(request.body))
        return await self._answer(request)

    def _check_place(self, request: Request, length: int) -> None:
        if request.takes_rows and is_large(length) and self._admission.is_full(seconds_for(length)):
            self._admission.refuse()

    async def _answer(self, request: Request) -> Response:
        match = request.match
        if match is None and _is_v2(request.path):
            return _echoing(await self._v2(request), request)
        if match is None:
            patterns = [name for name in self._routes.patterns if not name.startswith("/v2")]
            known = ", ".join((*patterns, "/v2"))
            error = f"there is no {request.shown_path!r}; the routes are {known}"
            return _echoing(error_response(404, error), request)
        handler = match.methods.get(request.method)
        if handler is None:
            allowed = ", ".join(match.methods)
            error = f"{request.method} is not allowed on {request.shown_path}; use {allowed}"
            refusal = error_response(405, error, (b"allow", allowed.encode()))
            return _echoing(refusal, request)
        return _echoing(await handler(request, *match.names), request)

    def _limit(self, request: Request) -> Limit:
        return self._rows if request.takes_rows else _SMALL

    def _explain(self, error: Exception, request: Request) -> Response:
        """The answer to a request that failed, which names the fix where there is one."""
        if isinstance(error, MLServerError):
            later = (_RETRY_AFTER,) if error.status_code == _UNAVAILABLE else ()
            return error_response(error.status_code, str(error), *later)
        for kind in type(error).__mro__:
            if kind in STATUS:
                return error_response(STATUS[kind], str(error))
        logger.error("%s %s failed", request.method, request.shown_path, exc_info=error)
        return error_response(500, "the server failed on this request; its log has the reason")


def error_response(status: int, message: str, *headers: tuple[bytes, bytes]) -> Response:
    """``{"error": ..., "request_id": ...}``, the one form of an error."""
    body = orjson.dumps({"error": message, "request_id": request_ids.current()})
    return Response(status, body, (_JSON, *headers))


def _is_v2(path: bytes) -> bool:
    return path.startswith(_V2) and (len(path) == len(_V2) or path[len(_V2) :].startswith(b"/"))


def _echoing(response: Response, request: Request) -> Response:
    """SageMaker does not give custom attributes back by itself."""
    attributes = request.headers.get(CUSTOM_ATTRIBUTES)
    if attributes is None:
        return response
    return Response(
        response.status, response.body, (*response.headers, (CUSTOM_ATTRIBUTES, attributes))
    )
