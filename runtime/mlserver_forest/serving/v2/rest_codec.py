"""V2's inference requests and responses over REST: JSON, optionally followed by binary tensors.

Binary tensors are the binary tensor data extension (triton-inference-server/server,
``docs/protocol/extension_binary_data.md``), which ``tritonclient.http`` uses by default.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from random import getrandbits
from typing import Any

import numpy as np
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from mlserver_forest.errors import InvalidInput, UnsupportedMediaType, format_value
from mlserver_forest.formats.json import json_document
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.text_encoding import without_mark
from mlserver_forest.formats.v2 import v2_binary, v2_json
from mlserver_forest.formats.v2.v2_tensor import BYTES, DTYPES
from mlserver_forest.serving.http import media_types
from mlserver_forest.serving.http.response import JSON_HEADERS, Headers
from mlserver_forest.serving.v2.passed_headers import http_headers_of
from mlserver_forest.serving.v2.request_parser import AttachedBytes, binary_outputs, request_from

_OCTETS = "application/octet-stream"
_LENGTH_HEADER = "Inference-Header-Content-Length"
_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class BinaryOutputs:
    """The outputs that a request wants as bytes.

    Attributes:
        named: whether an output is sent as bytes, by its name.
        by_default: whether outputs that are not named are sent as bytes.
    """

    named: Mapping[str, bool]
    by_default: bool

    def includes(self, output: str) -> bool:
        """Whether an output is sent as bytes."""
        return self.named.get(output, self.by_default)


def decode_infer(
    body: Body, header_length: str | None, content_type: str | None
) -> tuple[InferenceRequest, BinaryOutputs]:
    """Decode the body of ``POST /v2/models/{name}/infer``.

    Args:
        body: JSON, followed by the bytes of tensors if there is a ``header_length``.
        header_length: the header Inference-Header-Content-Length, the length of the JSON.
        content_type: the header Content-Type; None means JSON, because ``tritonclient.http``
            does not send it.

    Returns:
        The request, with numbers as arrays, and the outputs that it wants as bytes.

    Raises:
        InvalidInput: naming the place, what came and what was expected.
        PayloadTooLarge: if a value other than a tensor is larger than some megabytes.
        UnsupportedMediaType: if the body has another media type.
    """
    document, attached = read_document(body, header_length, content_type)
    return decode_document(document, attached)


def decode_document(
    document: Any, attached: AttachedBytes | None
) -> tuple[InferenceRequest, BinaryOutputs]:
    """Decode what ``read_document`` returns; see ``decode_infer``."""
    request = request_from(document, attached)
    return request, BinaryOutputs(*binary_outputs(document))


def read_document(
    body: Body, header_length: str | None, content_type: str | None
) -> tuple[Any, AttachedBytes | None]:
    """Parse the JSON of a body; see ``decode_infer``.

    Returns:
        The document, and the bytes that follow it, if there are any.
    """
    _check_media_type(content_type, has_bytes=header_length is not None)
    text, attached = body, None
    if header_length is not None:
        end = _length(header_length, len(body))
        text = body if end == len(body) else body[:end]
        attached = AttachedBytes(memoryview(body)[end:])
    return _parse(text), attached


def new_id() -> str:
    """Make an id for the response to a request without one, a random UUID as MLServer's are.

    ``uuid4`` asks the system for random bits, and takes several times as long.
    """
    text = f"{getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def encode_infer(
    response: InferenceResponse, id_: str, binary: BinaryOutputs = BinaryOutputs({}, False)
) -> tuple[Headers, Iterator[bytes]]:
    """Encode a response.

    Args:
        response: the response; its outputs are arrays, or lists from a foreign runtime.
        id_: the id of the request.
        binary: the outputs that are written as bytes.

    Returns:
        The headers, and the body in blocks.
    """
    response.id = id_
    extra = http_headers_of(response)
    attached = {
        position: _as_bytes(output)
        for position, output in enumerate(response.outputs)
        if binary.includes(output.name)
    }
    if not attached:
        return JSON_HEADERS + extra, _json(response, {})
    text = list(_json(response, {position: size for position, (size, _) in attached.items()}))
    headers = (
        (b"content-type", _OCTETS.encode()),
        (_LENGTH_HEADER.lower().encode(), str(sum(map(len, text))).encode()),
        *extra,
    )
    return headers, chain(text, *(blocks for _, blocks in attached.values()))


def _check_media_type(header: str | None, *, has_bytes: bool) -> None:
    if header is None or header == media_types.JSON:
        return
    media_type = media_types.parse(header)
    allowed = (media_types.JSON, _OCTETS) if has_bytes else (media_types.JSON,)
    if media_type.essence not in allowed:
        raise UnsupportedMediaType(
            f"Content-Type {format_value(media_type.essence)}; expected {media_types.JSON}, or "
            f"{_OCTETS} with the header {_LENGTH_HEADER}; rows in other types go to /invocations"
        )
    if media_type.essence == media_types.JSON:
        media_types.content_type(header)


def _length(header: str, body_length: int) -> int:
    """The position at which the JSON ends."""
    is_number = header.isascii() and header.isdigit() and len(header) <= _MOST_DIGITS
    if not is_number or not 0 < int(header) <= body_length:
        raise InvalidInput(
            f"{_LENGTH_HEADER} is {format_value(header)}; expected the length of the JSON part "
            f"of a body of {body_length} bytes, from 1 to {body_length}"
        )
    return int(header)


def _parse(text: Body) -> Any:
    try:
        return json_document.loads(without_mark(text))
    except InvalidInput as error:
        raise InvalidInput(f"not a V2 request: {error}") from error


def _json(response: InferenceResponse, sizes: Mapping[int, int]) -> Iterator[bytes]:
    """The JSON of the response; outputs with a size have it in place of their data."""
    fields = {
        "model_name": response.model_name,
        "model_version": response.model_version,
        "id": response.id,
        "parameters": _parameters(response) or None,
    }
    block = v2_json.dumps({key: value for key, value in fields.items() if value is not None})[:-1]
    block += b',"outputs":['
    for position, output in enumerate(response.outputs):
        block += b"," if position else b""
        size = sizes.get(position)
        block += _head(output, size)
        if size is None:
            block += b',"data":'
            for data in v2_json.from_data(output.data.root):
                yield block + data
                block = b""
        block += b"}"
    yield block + b"]}"


def _head(output: ResponseOutput, size: int | None) -> bytes:
    """The start of an output's JSON, before its data."""
    fields = {"name": output.name, "shape": list(output.shape), "datatype": output.datatype}
    parameters = _parameters(output)
    if size is not None:
        parameters["binary_data_size"] = size
    if parameters:
        fields["parameters"] = parameters
    return v2_json.dumps(fields)[:-1]


def _parameters(message: InferenceResponse | ResponseOutput) -> dict[str, Any]:
    if message.parameters is None:
        return {}
    found = {"content_type": message.parameters.content_type}
    found |= message.parameters.model_extra or {}
    return {name: value for name, value in found.items() if value is not None}


def _as_bytes(output: ResponseOutput) -> tuple[int, Iterator[bytes]]:
    """The number of bytes of an output, and the bytes in blocks."""
    data = output.data.root
    if output.datatype == BYTES:
        blocks = list(v2_binary.from_data(data))
        return sum(map(len, blocks)), iter(blocks)
    array = np.asarray(data, DTYPES[output.datatype])
    return array.nbytes, v2_binary.from_array(array)
