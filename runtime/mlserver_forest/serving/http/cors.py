"""Cross-origin requests: which pages of other origins may call this server from a browser.

Off unless origins are set. No credentials are allowed, so that a page can do nothing that any other
client could not do (Fetch standard, 3.2, "HTTP CORS protocol").
"""

from collections.abc import Collection, Mapping

from mlserver_forest.serving.http.response import NO_CONTENT, Response

ORIGIN, _METHOD = b"origin", b"access-control-request-method"
ANY = "*"
# What scripts may read beside the headers that are always readable.
_EXPOSED = (
    b"inference-header-content-length, x-amzn-sagemaker-custom-attributes, "
    b"x-forest-model-version, retry-after, allow"
)
_SECONDS = b"600"


class Cors:
    """Answers the questions of browsers.

    Args:
        origins: such as ``https://example.com``, or ``*`` alone for all.
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._any = ANY in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    def preflight(
        self, method: str, headers: Mapping[bytes, bytes], methods: Collection[str]
    ) -> Response | None:
        """The response to a browser that asks first; None if the request is another one.

        Args:
            method: of the request.
            headers: of the request.
            methods: what the route allows.
        """
        if method != "OPTIONS" or ORIGIN not in headers or _METHOD not in headers:
            return None
        allowed = b", ".join(name.encode() for name in methods)
        # The names that are asked for, because * does not cover Authorization.
        asked = headers.get(b"access-control-request-headers", b"")
        return Response(
            NO_CONTENT,
            headers=(
                (b"access-control-allow-methods", allowed),
                *(((b"access-control-allow-headers", asked),) if asked else ()),
                (b"access-control-max-age", _SECONDS),
            ),
        )

    def allowing(self, response: Response, origin: bytes | None) -> Response:
        """The response, which scripts of the origin may read if it is an allowed one."""
        headers = [] if self._any else [(b"vary", b"origin")]
        if origin is not None and (self._any or origin in self._origins):
            allowed = ANY.encode() if self._any else origin
            headers += [
                (b"access-control-allow-origin", allowed),
                (b"access-control-expose-headers", _EXPOSED),
            ]
        return Response(response.status, response.body, (*response.headers, *headers))
