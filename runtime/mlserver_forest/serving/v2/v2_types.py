"""MLServer's V2 types, made from values that are known to be valid.

Pydantic's ``model_construct`` looks up every field and takes 2 to 4 µs a message, and a request
and its response consist of eight messages. The state of a pydantic model consists of four
attributes (pydantic 2, ``BaseModel.__slots__``; pyproject.toml excludes pydantic 3); setting them
takes a third of that time.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from mlserver.types import (
    InferenceRequest,
    InferenceResponse,
    Parameters,
    RequestInput,
    RequestOutput,
    ResponseOutput,
    TensorData,
)
from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)

_set = object.__setattr__


def _message(kind: type[M], fields: dict[str, Any]) -> M:
    message = kind.__new__(kind)
    _set(message, "__dict__", fields)
    _set(message, "__pydantic_fields_set__", set(fields))
    _set(message, "__pydantic_extra__", None)
    _set(message, "__pydantic_private__", None)
    return message


def tensor_data(data: Any) -> TensorData:
    """The data of a tensor: an array, ``Labels`` or a list."""
    return _message(TensorData, {"root": data})


def request_input(
    name: str, shape: list[int], datatype: str, data: Any, parameters: Parameters | None = None
) -> RequestInput:
    """An input tensor of a request."""
    fields = {"name": name, "shape": shape, "datatype": datatype, "parameters": parameters}
    return _message(RequestInput, {**fields, "data": tensor_data(data)})


def request_output(name: str, parameters: Parameters | None = None) -> RequestOutput:
    """An output that a request chooses."""
    return _message(RequestOutput, {"name": name, "parameters": parameters})


def parameters(fields: Mapping[str, Any] | None) -> Parameters | None:
    """The parameters of a message, which may have any names and values."""
    return None if fields is None else Parameters.model_validate(fields)


def inference_request(
    inputs: list[RequestInput],
    outputs: list[RequestOutput] | None,
    id_: str | None = None,
    parameters: Parameters | None = None,
) -> InferenceRequest:
    """An inference request."""
    fields = {"id": id_, "parameters": parameters, "inputs": inputs, "outputs": outputs}
    return _message(InferenceRequest, fields)


def content_type(name: str) -> Parameters:
    """The parameters that tell MLServer's codecs how to read a tensor."""
    return Parameters.model_construct(content_type=name)


def response_output(
    name: str, shape: list[int], datatype: str, data: Any, parameters: Parameters
) -> ResponseOutput:
    """An output tensor of a response."""
    fields = {"name": name, "shape": shape, "datatype": datatype, "parameters": parameters}
    return _message(ResponseOutput, {**fields, "data": tensor_data(data)})


def inference_response(
    model_name: str, model_version: str | None, outputs: list[ResponseOutput]
) -> InferenceResponse:
    """An inference response, which does not have an id yet."""
    fields = {
        "model_name": model_name,
        "model_version": model_version,
        "id": None,
        "parameters": None,
        "outputs": outputs,
    }
    return _message(InferenceResponse, fields)
