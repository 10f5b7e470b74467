"""The streams of ``tritonclient.grpc``, whose answers have another form than MLServer's.

Both call ``/inference.GRPCInferenceService/ModelStreamInfer``. Triton answers with a
``ModelStreamInferResponse``, where field 1 is an error and field 2 a ModelInferResponse;
MLServer 1.7.1 with the ModelInferResponse itself, where those are the model's name and
version. No message is both, so Triton's is given to a request with Triton's own parameter
``triton_enable_empty_final_response``, which its client sends for
``async_stream_infer(..., enable_empty_final_response=True)``.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from mlserver.grpc import dataplane_pb2 as pb

_SERVICE = "inference.GRPCInferenceService"
_ASKED = "triton_enable_empty_final_response"
_FINAL = "triton_final_response"
# Tags on the wire: the field's number, and 2 for "length-delimited".
_ERROR_MESSAGE = b"\x0a"
_INFER_RESPONSE = b"\x12"


def add_to_server(
    stream: Callable[[AsyncIterator[Any], Any], AsyncIterator[Any]], server: Any
) -> None:
    """Let ``ModelStreamInfer`` answer with messages of MLServer's, or with bytes of ours."""
    handler = grpc.stream_stream_rpc_method_handler(
        stream,
        request_deserializer=pb.ModelInferRequest.FromString,
        response_serializer=_serialize,
    )
    server.add_registered_method_handlers(_SERVICE, {"ModelStreamInfer": handler})


def is_asked_for(request: Any) -> bool:
    """Whether a request is one of Triton's clients'."""
    return _ASKED in request.parameters and request.parameters[_ASKED].bool_param


def answer(response: Any) -> bytes:
    """A ``ModelStreamInferResponse`` with the one, and so the last, answer to a request."""
    response.parameters[_FINAL].bool_param = True
    return _field(_INFER_RESPONSE, response.SerializeToString())


def failure(message: str) -> bytes:
    """A ``ModelStreamInferResponse`` with an error; the stream goes on."""
    return _field(_ERROR_MESSAGE, message.encode())


def _serialize(message: Any) -> bytes:
    return message if isinstance(message, bytes) else bytes(message.SerializeToString())


def _field(tag: bytes, content: bytes) -> bytes:
    length, digits = len(content), bytearray()
    while length > 0x7F:
        digits.append(length & 0x7F | 0x80)
        length >>= 7
    digits.append(length)
    return tag + bytes(digits) + content
