"""Requests, and the limits on their bodies."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from urllib.parse import parse_qsl, unquote

from mlserver_forest.errors import (
    ForestError,
    PayloadTooLarge,
    printable,
)
from mlserver_forest.formats.matrix import Body
from mlserver_forest.serving.http.content_codings import coding_of
from mlserver_forest.serving.http.routes import Match
from mlserver_forest.serving.process.memory_budget import Reservation

CONTENT_ENCODING, ACCEPT_ENCODING = b"content-encoding", b"accept-encoding"
TARGET_MODEL = b"x-amzn-sagemaker-target-model"
CUSTOM_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"


class Request:
    """A request, whose body may still have to be read.

    Attributes:
        method: such as ``POST``.
        path: the path, percent-encoded.
        headers: the headers by name in lower case; headers of the same name form one list (RFC
            9110, 5.3).
        query: the query, still encoded.
        match: the route, or None if there is none.
        body: the whole body; emptied by ``take_body``.
        model: the name of the model that answers, which a handler sets, for the metrics.
        started: when the request arrived, by ``time.perf_counter``.
        is_http_1_1: whether the client understands a body in chunks.
        keeps_alive: whether the connection may be used again after the response.
        reservations: the memory that is promised to this request.
        refusal: why the rest of a body in chunks is not read, if it is not.
    """

    __slots__ = (
        "body",
        "headers",
        "is_http_1_1",
        "keeps_alive",
        "match",
        "method",
        "model",
        "path",
        "query",
        "refusal",
        "reservations",
        "started",
    )

    def __init__(
        self,
        method: str,
        path: bytes,
        query: bytes,
        headers: Mapping[bytes, bytes],
        match: Match | None,
    ) -> None:
        self.started = perf_counter()
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.match = match
        self.body: Body = b""
        self.model = ""
        self.is_http_1_1 = True
        self.keeps_alive = False
        self.reservations: tuple[Reservation, ...] = ()
        self.refusal: ForestError | None = None

    @property
    def printable_path(self) -> str:
        """The path in the form that messages show: decoded, on one line, and not too long."""
        return printable(unquote(self.path.decode("latin-1"), errors="replace"))

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits to be told to send the body (RFC 9110, 10.1.1)."""
        return self.is_http_1_1 and self.headers.get(b"expect", b"").lower() == b"100-continue"

    @property
    def takes_rows(self) -> bool:
        """Whether the body holds rows; on another route it is a short document."""
        return self.match is not None and self.match.takes_rows

    def header(self, name: bytes) -> str | None:
        """The value of a header, if it was sent."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def parameters(self) -> dict[str, str]:
        """The query's parameters; if one occurs more than once, its last value."""
        return dict(parse_qsl(self.query.decode("latin-1")))

    def take_body(self) -> Body:
        """Return the body and keep no reference to it: it may be large."""
        body, self.body = self.body, b""
        return body


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest body that a route accepts.

    Attributes:
        n_bytes: the size of the largest body.
        advice: what to do about a larger body.
    """

    n_bytes: int
    advice: str

    def check_head(self, headers: Mapping[bytes, bytes]) -> None:
        """Check by the headers whether the body may be read.

        Raises:
            PayloadTooLarge: if the announced body is too large.
            UnsupportedCoding: if it is compressed in a way that is not read.
        """
        coding_of(headers.get(CONTENT_ENCODING))
        self.check(int(headers.get(b"content-length", b"0")))

    def check(self, size: int) -> None:
        """Check the length of a body, or of the part that has arrived.

        Raises:
            PayloadTooLarge: if it is too large.
        """
        if size > self.n_bytes:
            raise PayloadTooLarge(
                f"the body has {size} bytes or more; at most {self.n_bytes} are accepted; "
                f"{self.advice}"
            )
