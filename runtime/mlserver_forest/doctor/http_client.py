"""An HTTP client that raises an ``OSError`` with the reason if there is no answer."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse

from mlserver_forest.doctor.rules import ANSWER_SECONDS

Body = bytes | Iterable[bytes]


@dataclass(frozen=True)
class Answer:
    """A complete response.

    Attributes:
        content_type: the header as it was sent, or "".
        seconds: from the first byte of the request to the last of the response.
        is_last: whether the server announced that it closes the connection.
    """

    status: int
    content_type: str
    body: bytes
    seconds: float
    is_last: bool

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def is_refusal(self) -> bool:
        """Whether the status is 4xx."""
        return 400 <= self.status < 500

    @property
    def media_type(self) -> str:
        """The content type without parameters, in lower case."""
        return self.content_type.partition(";")[0].strip().lower()

    def __str__(self) -> str:
        start = self.body[:60].decode("utf-8", "replace").strip()
        start = start if start.isprintable() else repr(start)
        return f"{self.status} {self.content_type or 'without Content-Type'}: {start}"


def ask(
    port: int,
    method: str,
    path: str,
    body: Body | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = ANSWER_SECONDS,
) -> Answer:
    """Make a request on a connection of its own.

    Raises:
        OSError: if there is no answer: the connection is refused or cut, the answer is not HTTP, or
            it takes longer than ``seconds``.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        return ask_on(connection, method, path, body, headers)
    finally:
        connection.close()


def ask_on(
    connection: HTTPConnection,
    method: str,
    path: str,
    body: Body | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Make a request on a connection; a body that is an iterable of bytes is sent in chunks.

    Raises:
        OSError: see ``ask``.
    """
    began = time.monotonic()
    try:
        _send(connection, method, path, body, headers or {})
        return finish(connection.getresponse(), began)
    except TimeoutError as error:
        raise TimeoutError(
            f"{method} {path}: no answer within {time.monotonic() - began:.0f} s"
        ) from error
    except (OSError, HTTPException) as error:
        raise ConnectionError(
            f"{method} {path}: {str(error) or 'connection closed'} ({type(error).__name__})"
        ) from error


def _send(
    connection: HTTPConnection,
    method: str,
    path: str,
    body: Body | None,
    headers: Mapping[str, str],
) -> None:
    """Send a request. A server may refuse the body early; its answer can still be read then."""
    is_chunked = body is not None and not isinstance(body, bytes)
    chunked = {"Transfer-Encoding": "chunked"} if is_chunked else {}
    try:
        connection.request(method, path, body, {**headers, **chunked}, encode_chunked=is_chunked)
    except (BrokenPipeError, ConnectionResetError):
        if connection.sock is None:
            raise


def finish(response: HTTPResponse, began: float) -> Answer:
    """Read a response to its end.

    Args:
        response: the response, whose headers have been read.
        began: when the request began (``time.monotonic``).
    """
    body = response.read()
    return Answer(
        response.status,
        response.getheader("Content-Type", ""),
        body,
        time.monotonic() - began,
        response.will_close,
    )
