"""The headers that MLServer passes on with a request, and takes from a response.

They are HTTP's headers, or the metadata of a gRPC call, in ``parameters.headers`` (MLServer 1.7.1,
``utils.insert_headers`` and ``extract_headers``).
"""

from collections.abc import Iterable, Mapping

from mlserver.types import InferenceRequest, InferenceResponse, Parameters

from mlserver_forest.serving.http.response import Headers

# The connection's own, and what the encoder of the body says.
_NOT_A_MODELS = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "inference-header-content-length",
        "keep-alive",
        "server",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def add_headers(message: InferenceRequest, headers: Mapping[bytes, bytes]) -> None:
    """Hand a request's headers to its runtime."""
    _add(message, {_text(name): _text(value) for name, value in headers.items()})


def add_metadata(message: InferenceRequest, metadata: Iterable[tuple[str, str | bytes]]) -> None:
    """Hand a call's metadata to its runtime."""
    _add(message, dict(metadata))


def headers_of(response: InferenceResponse) -> dict[str, str]:
    """The headers that a runtime sets, by their names in lower case."""
    found = response.parameters.headers if response.parameters else None
    named = {str(name).lower(): str(value) for name, value in (found or {}).items()}
    return {
        name: value
        for name, value in named.items()
        if name not in _NOT_A_MODELS and name.isascii() and (name + value).isprintable()
    }


def http_headers_of(response: InferenceResponse) -> Headers:
    """The same as a response of HTTP has them."""
    found = headers_of(response)
    return tuple((k.encode(), v.encode("latin-1", "replace")) for k, v in found.items())


def _add(message: InferenceRequest, headers: Mapping[str, str | bytes]) -> None:
    if message.parameters is None:
        message.parameters = Parameters()
    message.parameters.headers = dict(headers)


def _text(value: bytes) -> str:
    return value.decode("latin-1")
