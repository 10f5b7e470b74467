"""The application: requests go to handlers, and errors become responses by one table."""

import re
from collections.abc import Awaitable, Mapping, Sequence
from time import perf_counter

from mlserver_forest.errors import ForestError, NotFound, UnsupportedCoding
from mlserver_forest.serving.errors_table import explain
from mlserver_forest.serving.http.content_codings import (
    CODINGS,
    NO_PREFERENCE,
    Inflation,
    Preference,
    coding_of,
    preferred,
)
from mlserver_forest.serving.http.cors import ORIGIN, Cors
from mlserver_forest.serving.http.request import (
    ACCEPT_ENCODING,
    CONTENT_ENCODING,
    CUSTOM_ATTRIBUTES,
    Limit,
    Request,
)
from mlserver_forest.serving.http.response import Response, error_response
from mlserver_forest.serving.http.routes import Methods, Routes
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.pipeline import (
    SMALL_BODY_BYTES,
    WORTH_COMPRESSING_BYTES,
    Pipeline,
)
from mlserver_forest.serving.process.loop_iteration import LoopIteration
from mlserver_forest.serving.sagemaker.mms_errors import fields_of
from mlserver_forest.serving.tracing.request_id import begin_request
from mlserver_forest.serving.tracing.spans import Spans

_V2 = b"/v2"
_FAMILIES = ("/v1", "/v2")
# Patterns with more names repeat others, for one version of a model.
_MOST_NAMES = 2
_MOST_SHOWN = 3
_MANY = b"/models"
_OF_MANY = "; a server that is started with SAGEMAKER_MULTI_MODEL=true has /models"
_ENCODED = re.compile(rb"%[0-9A-Fa-f]{2}")
_SMALL = Limit(
    SMALL_BODY_BYTES, "this route takes no rows; send them to /invocations or to V2's infer"
)
# Overload usually lasts for seconds; a worker that is still overloaded refuses again.
_RETRY_AFTER = (b"retry-after", b"1")
_UNAVAILABLE = 503
_MODEL = "mlserver_forest.model"  # An attribute of spans.
# Of an answer that depends on the coding that the client prefers (RFC 9110, 12.5.5).
_VARY = (b"vary", b"accept-encoding")
# What a request may be compressed with, beside the refusal of another coding (RFC 9110, 12.5.3).
_CODINGS = (ACCEPT_ENCODING, CODINGS.encode())


class Application:
    """Every route of the port.

    A request is answered by ``begin``, ``respond`` and ``end``; ``refusal`` may come first, if
    the body should not be read.

    Args:
        table: the handlers, by pattern and then by method.
        pipeline: refuses requests that would be answered too late.
        metrics: counts responses.
        max_body_bytes: larger bodies are refused before they are read.
        compresses: whether answers are compressed for clients that accept it.
        spans: get the requests with rows; None if nobody collects them.
        cors: lets pages of other origins call; None if none may.
    """

    def __init__(
        self,
        table: Mapping[str, Methods],
        pipeline: Pipeline,
        metrics: Metrics,
        *,
        max_body_bytes: int,
        compresses: bool = True,
        spans: Spans | None = None,
        cors: Cors | None = None,
    ) -> None:
        self._routes = Routes(table)
        self._pipeline = pipeline
        self._metrics = metrics
        self._compresses = compresses
        self._spans = spans
        self._cors = cors
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
        headers = request.headers
        _begin(request)
        try:
            self._check(request, iteration)
            if CONTENT_ENCODING in headers:
                await self._inflate(request)
            accepted = headers.get(ACCEPT_ENCODING)
            preference = NO_PREFERENCE if accepted is None else preferred(accepted)
            response = _echoing(await self._handle(request), request)
            body = response.body  # How long one in blocks will be is not known.
            is_short = type(body) is bytes and len(body) < WORTH_COMPRESSING_BYTES
            if self._compresses and (not is_short or preference.is_required):
                response = await self._compressed(response, preference)
        except Exception as error:  # noqa: BLE001  # the boundary; explain logs it
            response = _echoing(self._explain(error, request), request)
        return (
            response if self._cors is None else self._cors.allowing(response, headers.get(ORIGIN))
        )

    async def _inflate(self, request: Request) -> None:
        """Replace a compressed body by what it holds."""
        coding = coding_of(request.headers[CONTENT_ENCODING])
        if coding is None or not request.body:
            return
        inflation = Inflation(request.take_body(), coding)
        limit = self._limit(request)
        found = await self._pipeline.inflate(inflation, limit.n_bytes, limit.advice)
        request.body, reservation = found
        request.reservations = () if reservation is None else (reservation,)

    async def _compressed(self, response: Response, preference: Preference) -> Response:
        """A long response in the coding that the client prefers."""
        body, coding = response.body, preference.coding
        if not body or coding is None:
            return Response(response.status, body, (*response.headers, _VARY))
        compressed = await self._pipeline.deflate(body, coding)
        headers = (*map(_weakly, response.headers), (CONTENT_ENCODING, coding.encode()), _VARY)
        return Response(response.status, compressed, headers)

    def refusal(self, request: Request) -> Response | None:
        """The response to a request whose body should not be read; None if it should be."""
        _begin(request)
        try:
            self._limit(request).check_head(request.headers)
            if request.takes_rows:
                length = int(request.headers.get(b"content-length", b"0"))
                self._promise(request, length)
        except ForestError as error:
            response = _echoing(self._explain(error, request), request)
            origin = request.headers.get(ORIGIN)
            return response if self._cors is None else self._cors.allowing(response, origin)
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
        if self._spans is not None and request.takes_rows:
            more = {_MODEL: request.model} if request.model else {}
            self._spans.http(request.method, pattern, status, request.headers, seconds, **more)

    def _handle(self, request: Request) -> Awaitable[Response]:
        match = request.match
        if match is None:
            raise NotFound(f"there is no {request.printable_path!r}; {self._nearest(request)}")
        # What a GET is answered, a HEAD is too (RFC 9110, 9.1); the connection leaves out the body.
        method = "GET" if request.method == "HEAD" else request.method
        handler = match.methods.get(method)
        if handler is None:
            heads = ("HEAD",) if "GET" in match.methods else ()
            below = self._routes.below(match.pattern, method)[:_MOST_SHOWN]
            return self._other_method(request, (*match.methods, *heads), below)
        return handler(request, *match.names)

    async def _other_method(
        self, request: Request, methods: Sequence[str], below: Sequence[str]
    ) -> Response:
        """The response to a browser that asks which methods there are, or a refusal."""
        if self._cors is not None:
            preflight = self._cors.preflight(request.method, request.headers, methods)
            if preflight is not None:
                return preflight
        allowed = ", ".join(methods)
        error = f"{request.method} is not allowed on {request.printable_path}; use {allowed}"
        if below:
            error += f", or {request.method} {' or '.join(below)}"
        fields = fields_of(request.path, 405, error)
        return error_response(405, error, (b"allow", allowed.encode()), **fields)

    def _nearest(self, request: Request) -> str:
        """The routes that a client may have meant."""
        family = request.path[:3].decode("latin-1")
        if family in _FAMILIES:
            found = [name for name in self._routes.patterns if name.startswith(family)]
            found = [name for name in found if name.count("{") < _MOST_NAMES]
        else:
            found = [name for name in self._routes.patterns if name[:3] not in _FAMILIES]
            found += _FAMILIES
        many = _OF_MANY if request.path.startswith(_MANY) and _MANY not in self._routes else ""
        return f"the routes are {', '.join(found)}{many}"

    def _limit(self, request: Request) -> Limit:
        return self._rows if request.takes_rows else _SMALL

    def _explain(self, error: Exception, request: Request) -> Response:
        """The response to a request that failed."""
        codes, message = explain(error, f"{request.method} {request.printable_path}")
        more = (_RETRY_AFTER,) if codes.http == _UNAVAILABLE else ()
        if isinstance(error, UnsupportedCoding):
            more = (_CODINGS,)
        fields = fields_of(request.path, codes.http, message, error)
        return error_response(codes.http, message, *more, **fields)


def _weakly(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """The header of a response in another coding, whose bytes are not those of its ETag."""
    name, value = header
    return (name, b"W/" + value) if name == b"etag" else header


def _begin(request: Request) -> None:
    match = request.match
    begin_request(request.headers, "" if match is None else match.pattern)


def _normalized(path: bytes) -> bytes:
    """The path without what does not change its meaning.

    Letters, digits, ``-._~`` mean the same percent-encoded (RFC 3986, 6.2.2.2). The paths of V2
    may end with a slash in MLServer, and those of V1 in KServe.
    """
    plain = _ENCODED.sub(_decoded, path)
    return plain.rstrip(b"/") if _is_v2(plain) or plain.startswith(b"/v1/") else plain


def _decoded(found: re.Match[bytes]) -> bytes:
    character = bytes([int(found[0][1:], 16)])
    return character if character.isalnum() or character in b"-._~" else found[0]


def _is_v2(path: bytes) -> bool:
    return path.startswith(_V2) and (len(path) == len(_V2) or path[len(_V2) :].startswith(b"/"))


def _echoing(response: Response, request: Request) -> Response:
    """Add the request's custom attributes, which SageMaker does not return by itself.

    A model's own code may have set others.
    """
    attributes = request.headers.get(CUSTOM_ATTRIBUTES)
    if attributes is None or any(name == CUSTOM_ATTRIBUTES for name, _ in response.headers):
        return response
    return Response(
        response.status, response.body, (*response.headers, (CUSTOM_ATTRIBUTES, attributes))
    )
