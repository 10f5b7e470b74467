"""The application: requests go to handlers, and errors become responses by one table."""

import re
from collections.abc import Awaitable, Mapping
from time import perf_counter

from mlserver_forest.errors import ForestError, NotFound
from mlserver_forest.serving.errors_table import explain
from mlserver_forest.serving.http.request import CUSTOM_ATTRIBUTES, Limit, Request
from mlserver_forest.serving.http.request_id import begin_request
from mlserver_forest.serving.http.response import Response, error_response
from mlserver_forest.serving.http.routes import Methods, Routes
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.pipeline import SMALL_BODY_BYTES, Pipeline
from mlserver_forest.serving.process.loop_iteration import LoopIteration

_V2 = b"/v2"
# Patterns with more names repeat others, for one version of a model.
_MOST_NAMES = 2
_ENCODED = re.compile(rb"%[0-9A-Fa-f]{2}")
_SMALL = Limit(
    SMALL_BODY_BYTES, "this route takes no rows; send them to /invocations or to V2's infer"
)
# Overload usually lasts for seconds; a worker that is still overloaded refuses again.
_RETRY_AFTER = (b"retry-after", b"1")
_UNAVAILABLE = 503


class Application:
    """Every route of the port.

    A request is answered by ``begin``, ``respond`` and ``end``; ``refusal`` may come first, if
    the body should not be read.

    Args:
        table: the handlers, by pattern and then by method.
        pipeline: refuses requests that would be answered too late.
        metrics: counts responses.
        max_body_bytes: larger bodies are refused before they are read.
    """

    def __init__(
        self,
        table: Mapping[str, Methods],
        pipeline: Pipeline,
        metrics: Metrics,
        *,
        max_body_bytes: int,
    ) -> None:
        self._routes = Routes(table)
        self._pipeline = pipeline
        self._metrics = metrics
        self._rows = Limit(max_body_bytes, "send fewer rows at a time, or raise MAX_CONTENT_LENGTH")

    def begin(
        self, method: str, path: bytes, query: bytes, headers: Mapping[bytes, bytes]
    ) -> Request:
        """Begin a request whose head has arrived.

        Args:
            method: such as ``POST``.
            path: percent-encoded.
            query: without the question mark.
            headers: the headers, by name in lower case.
        """
        match = self._routes.find(path)
        if match is None:
            match = self._routes.find(_normalized(path))
        return Request(method, path, query, headers, match)

    async def respond(self, request: Request, iteration: LoopIteration) -> Response:
        """Answer a request that is complete and whose turn has come, or explain why it fails."""
        _begin(request)
        try:
            self._check(request, iteration)
            return _echoing(await self._handle(request), request)
        except Exception as error:  # noqa: BLE001  # the boundary; explain logs it
            return _echoing(self._explain(error, request), request)

    def refusal(self, request: Request) -> Response | None:
        """The response to a request whose body should not be read; None if it should be."""
        _begin(request)
        try:
            self._limit(request).check_head(request.headers)
            if request.takes_rows:
                length = int(request.headers.get(b"content-length", b"0"))
                self._promise(request, length)
        except ForestError as error:
            return _echoing(self._explain(error, request), request)
        return None

    def check_part(self, request: Request, n_bytes: int) -> None:
        """Check whether a body in chunks may go on, of which this much has arrived.

        If not, the request has a ``refusal``, which ``respond`` answers with.
        """
        try:
            self._limit(request).check(n_bytes)
            self._promise(request, n_bytes)
        except ForestError as error:
            request.refusal = error

    def _check(self, request: Request, iteration: LoopIteration) -> None:
        if request.refusal is not None:
            raise request.refusal
        if request.takes_rows:
            self._pipeline.check_delay(iteration)
        limit = self._limit(request)
        limit.check_head(request.headers)
        limit.check(len(request.body))

    def _promise(self, request: Request, n_bytes: int) -> None:
        reservation = self._pipeline.check_body(n_bytes)
        if reservation is not None:
            request.reservations += (reservation,)

    def end(self, request: Request, status: int) -> None:
        """Count a request that was answered."""
        match = request.match
        pattern = match.pattern if match else "/v2" if _is_v2(request.path) else "unknown"
        seconds = perf_counter() - request.started
        self._metrics.answered(request.method, pattern, status, request.model, seconds)

    def _handle(self, request: Request) -> Awaitable[Response]:
        match = request.match
        if match is None:
            raise NotFound(f"there is no {request.printable_path!r}; {self._nearest(request)}")
        # What a GET is answered, a HEAD is too (RFC 9110, 9.1); the connection leaves out the body.
        method = "GET" if request.method == "HEAD" else request.method
        handler = match.methods.get(method)
        if handler is None:
            heads = ("HEAD",) if "GET" in match.methods else ()
            return _refuse_method(request, ", ".join((*match.methods, *heads)))
        return handler(request, *match.names)

    def _nearest(self, request: Request) -> str:
        """The routes that a client may have meant."""
        if request.path.startswith(b"/v1"):
            return (
                'V1 of KServe is not spoken here; POST {"instances": [...]} to /invocations, or '
                "tensors to /v2/models/{name}/infer"
            )
        is_v2 = _is_v2(request.path)
        found = [name for name in self._routes.patterns if name.startswith("/v2") == is_v2]
        if is_v2:
            found = [name for name in found if name.count("{") < _MOST_NAMES]
        return f"the routes are {', '.join(found if is_v2 else (*found, '/v2'))}"

    def _limit(self, request: Request) -> Limit:
        return self._rows if request.takes_rows else _SMALL

    def _explain(self, error: Exception, request: Request) -> Response:
        """The response to a request that failed."""
        codes, message = explain(error, f"{request.method} {request.printable_path}")
        later = (_RETRY_AFTER,) if codes.http == _UNAVAILABLE else ()
        return error_response(codes.http, message, *later)


def _begin(request: Request) -> None:
    match = request.match
    begin_request(request.headers, "" if match is None else match.pattern)


async def _refuse_method(request: Request, allowed: str) -> Response:
    error = f"{request.method} is not allowed on {request.printable_path}; use {allowed}"
    return error_response(405, error, (b"allow", allowed.encode()))


def _normalized(path: bytes) -> bytes:
    """The path without what does not change its meaning.

    Letters, digits, ``-._~`` mean the same percent-encoded (RFC 3986, 6.2.2.2). The paths of V2
    may end with a slash in MLServer.
    """
    plain = _ENCODED.sub(_decoded, path)
    return plain.rstrip(b"/") if _is_v2(plain) else plain


def _decoded(found: re.Match[bytes]) -> bytes:
    character = bytes([int(found[0][1:], 16)])
    return character if character.isalnum() or character in b"-._~" else found[0]


def _is_v2(path: bytes) -> bool:
    return path.startswith(_V2) and (len(path) == len(_V2) or path[len(_V2) :].startswith(b"/"))


def _echoing(response: Response, request: Request) -> Response:
    """Add the request's custom attributes, which SageMaker does not return by itself."""
    attributes = request.headers.get(CUSTOM_ATTRIBUTES)
    if attributes is None:
        return response
    return Response(
        response.status, response.body, (*response.headers, (CUSTOM_ATTRIBUTES, attributes))
    )
