"""V2's inference requests and responses over gRPC, between messages and MLServer's types.

If a request has ``raw_input_contents``, these hold its tensors, and the tensors of the response are
in ``raw_output_contents``. Otherwise the elements of each tensor are in the field of its datatype.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import orjson
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.types import (
    InferenceRequest,
    InferenceResponse,
    MetadataModelResponse,
    MetadataTensor,
    ResponseOutput,
)
from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Prediction
from mlserver_forest.errors import InvalidInput, format_name, format_value
from mlserver_forest.formats.v2 import v2_binary, v2_tensor, v2_text
from mlserver_forest.formats.v2.v2_tensor import BLOCK, BYTES, DTYPES
from mlserver_forest.schema.schema import DTYPES as FEATURE_DTYPES
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.models.runtime import ForestRuntime
from mlserver_forest.serving.pipeline import Headers, Inference
from mlserver_forest.serving.v2.passed_headers import add_metadata, http_headers_of
from mlserver_forest.serving.v2.request_parser import Fields, checked_parameters, request_of

# https://github.com/kserve/open-inference-protocol, "InferTensorContents".
_FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}


class GRPCCodec:
    """Turns ``ModelInferRequest`` messages into inferences.

    Most requests hold one row of numbers in raw contents, without parameters or chosen outputs,
    for a small forest. They bypass MLServer's types; the response has the same bytes
    (tests/contract/test_both_ways.py).
    """

    def __init__(self) -> None:
        # Serialized responses of classifiers, indexed by the position of the class.
        self._responses: WeakKeyDictionary[ForestRuntime, dict[int, bytes]] = WeakKeyDictionary()

    def inference(
        self, message: Any, model: LoadedModel, metadata: Iterable[tuple[str, str | bytes]] = ()
    ) -> Inference:
        """Parse a message into an inference for a model.

        Args:
            message: the ``ModelInferRequest``.
            model: the model.
            metadata: of the call.

        Raises:
            InvalidInput: naming the tensor, what came and what was expected.
        """
        runtime = model.runtime
        if isinstance(runtime, ForestRuntime):
            x = _plain_row(message)
            if x is not None and runtime.reads(x):
                write = partial(self._write_row, runtime, message.id)
                seconds = runtime.seconds(1, ())
                infer = partial(runtime.predict_rows, x)
                id_ = message.id or None
                return Inference(model, None, 1, seconds, infer, write, id=id_)
        write = partial(_write, message.id, bool(message.raw_input_contents))
        request = request_from(message)
        if runtime.takes_headers:
            add_metadata(request, metadata)
        version = message.model_version or None
        return Inference.of_message(model, version, request, write, message.id or None)

    def _write_row(
        self, model: ForestRuntime, id_: str, prediction: Prediction
    ) -> tuple[Headers, Iterable[bytes]]:
        if not model.model.schema.classes:
            return _write(id_, True, model.respond(prediction))
        known = self._responses.setdefault(model, {})
        position = int(prediction.positions[0])
        if position not in known:
            message = message_from(model.respond(prediction), raw=True)
            known[position] = message.SerializeToString()
        # The concatenation of serialized messages is one message (protobuf's encoding).
        id_field = pb.ModelInferResponse(id=id_).SerializeToString() if id_ else b""
        return (), (known[position] + id_field,)


def request_from(message: Any) -> InferenceRequest:
    """Read a ``ModelInferRequest``; numbers become arrays.

    Raises:
        InvalidInput: naming the tensor, what came and what was expected.
    """
    n_raw, n_inputs = len(message.raw_input_contents), len(message.inputs)
    if n_raw not in {0, n_inputs}:
        raise InvalidInput(
            f"the request has {n_inputs} inputs but {n_raw} raw contents; send one each"
        )
    raw = message.raw_input_contents
    tensors = [
        _input(tensor, f"inputs.{n}", raw[n] if n_raw else None)
        for n, tensor in enumerate(message.inputs)
    ]
    outputs = [
        {
            "name": output.name,
            "parameters": _parameters(output.parameters, f"outputs.{n}.parameters"),
        }
        for n, output in enumerate(message.outputs)
    ]
    fields = {
        "id": message.id,
        "parameters": _parameters(message.parameters, "parameters"),
        "outputs": outputs or None,
    }
    return request_of(fields, tensors)


def message_from(response: InferenceResponse, raw: bool) -> Any:
    """Write a ``ModelInferResponse``.

    Args:
        response: the response; its outputs are arrays, or lists from a foreign runtime.
        raw: whether tensors are written as bytes.
    """
    # FP16 does not have a field of its own.
    raw = raw or any(output.datatype not in _FIELDS for output in response.outputs)
    message = pb.ModelInferResponse(model_name=response.model_name)
    if response.model_version is not None:
        message.model_version = response.model_version
    if response.id is not None:
        message.id = response.id
    _set_parameters(message.parameters, response)
    for output in response.outputs:
        tensor = message.outputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
        _set_parameters(tensor.parameters, output)
        if raw:
            message.raw_output_contents.append(b"".join(v2_binary.from_data(_data(output))))
        else:
            _fill(tensor.contents, output)
    return message


def metadata_message(metadata: MetadataModelResponse) -> Any:
    """Write a ``ModelMetadataResponse``; parameters that are lists become JSON text.

    The protocol's parameters cannot be lists, and MLServer 1.7.1 leaves lists out.
    """
    message = pb.ModelMetadataResponse(
        name=metadata.name, platform=metadata.platform, versions=metadata.versions
    )
    _set_parameters(message.parameters, metadata)
    for found, written in (
        (metadata.inputs, message.inputs),
        (metadata.outputs, message.outputs),
    ):
        for tensor in found or ():
            field = written.add(name=tensor.name, datatype=str(tensor.datatype), shape=tensor.shape)
            _set_parameters(field.parameters, tensor)
            extra = tensor.parameters.model_extra or {} if tensor.parameters else {}
            for name, value in extra.items():
                if isinstance(value, list):
                    field.parameters[name].string_param = orjson.dumps(value).decode()
    return message


def _write(id_: str, raw: bool, response: InferenceResponse) -> tuple[Headers, Iterable[bytes]]:
    response.id = id_
    return http_headers_of(response), (message_from(response, raw).SerializeToString(),)


def _plain_row(message: Any) -> NDArray[Any] | None:
    """The row of a message that holds one plain row alone, (1, n_features); otherwise None."""
    raw, inputs = message.raw_input_contents, message.inputs
    if len(raw) != 1 or len(inputs) != 1 or message.outputs or message.model_version:
        return None
    tensor = inputs[0]
    dtype = FEATURE_DTYPES.get(tensor.datatype)
    if dtype is None or message.parameters or tensor.parameters or tensor.HasField("contents"):
        return None
    content = raw[0]
    if [*tensor.shape] != [1, len(content) / dtype.itemsize] or not content:
        return None
    x = np.frombuffer(content, dtype).reshape(1, -1)
    return x if np.isfinite(x).all() else None


def _input(tensor: Any, place: str, raw: bytes | None) -> tuple[Fields, Any]:
    shape = list(tensor.shape)
    fields = {
        "name": tensor.name,
        "shape": shape,
        "datatype": tensor.datatype,
        "parameters": _parameters(tensor.parameters, f"{place}.parameters"),
    }
    has_contents = tensor.HasField("contents")
    found = [field.name for field, _ in tensor.contents.ListFields()] if has_contents else []
    if raw is None:
        return fields, _typed(tensor, shape, found)
    if found:
        raise InvalidInput(
            f"input {format_value(tensor.name)} has both {found[0]} and raw contents; send only "
            "one of them"
        )
    if tensor.datatype == BYTES:
        return fields, v2_binary.to_elements(tensor.name, shape, raw)
    array = v2_binary.to_array(tensor.name, tensor.datatype, shape, raw)
    if tensor.datatype == v2_binary.BF16:
        fields["datatype"] = "FP32"
    return fields, array


def _typed(tensor: Any, shape: list[int], found: list[str]) -> Any:
    name, datatype = tensor.name, tensor.datatype
    if datatype in {"FP16", v2_binary.BF16}:
        raise InvalidInput(
            f"input {format_value(name)} is {datatype}, which has no field for its contents; "
            "send raw_input_contents"
        )
    field = _FIELDS.get(datatype)
    if field is None:
        raise InvalidInput(
            f"input {format_value(name)} has datatype {format_value(datatype)}; expected one of "
            f"{', '.join((*DTYPES, BYTES))}"
        )
    if found not in ([], [field]):
        raise InvalidInput(
            f"input {format_value(name)} is {datatype} but has {', '.join(found)}; send its "
            f"values in {field}, or in raw_input_contents"
        )
    data = getattr(tensor.contents, field)
    if datatype == BYTES:
        v2_text.check_elements(name, shape, len(data))
        return list(data)
    return v2_tensor.to_array(name, datatype, shape, data)


def _parameters(parameters: Mapping[str, Any], place: str) -> Fields | None:
    if not parameters:
        return None
    values = {
        name: _value(each, f"{place}.{format_name(name)}") for name, each in parameters.items()
    }
    return checked_parameters(values, place)


def _value(parameter: Any, place: str) -> Any:
    """The value of a parameter; Triton's protocol has types that MLServer's does not define."""
    kind = parameter.WhichOneof("parameter_choice")
    if kind is None:
        raise InvalidInput(
            f"{place} has no value of a type that is read; leave it out, or send a bool_param, an "
            "int64_param or a string_param"
        )
    return getattr(parameter, kind)


def _set_parameters(
    field: Any,
    message: InferenceResponse | ResponseOutput | MetadataModelResponse | MetadataTensor,
) -> None:
    if message.parameters is None:
        return
    found = {"content_type": message.parameters.content_type}
    found |= message.parameters.model_extra or {}
    for name, value in found.items():
        if isinstance(value, bool):
            field[name].bool_param = value
        elif isinstance(value, str):
            field[name].string_param = value
        elif isinstance(value, int):
            field[name].int64_param = value


def _fill(contents: Any, output: ResponseOutput) -> None:
    """Write a tensor's elements to the field of its datatype."""
    field = getattr(contents, _FIELDS[output.datatype])
    data = _data(output)
    flat = data.reshape(-1) if isinstance(data, np.ndarray) else data
    for start in range(0, len(flat), BLOCK):
        block = flat[start : start + BLOCK]
        values = block.tolist() if isinstance(block, np.ndarray) else block
        if output.datatype == BYTES:
            values = [v.encode() if isinstance(v, str) else v for v in values]
        field.extend(values)


def _data(output: ResponseOutput) -> Any:
    """Numbers as an array; text as an array of objects, or as a foreign runtime's list."""
    data = output.data.root
    return data if output.datatype == BYTES else np.asarray(data, DTYPES[output.datatype])
