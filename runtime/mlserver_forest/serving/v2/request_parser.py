"""Parses V2 inference requests from JSON; error messages name the place of each fault."""

from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any

from mlserver.types import InferenceRequest

from mlserver_forest.errors import InvalidInput, format_name, format_value
from mlserver_forest.formats.json.encoded_twice import encoded_twice
from mlserver_forest.formats.json.json_document import LargeArray, read_rest, whole
from mlserver_forest.formats.v2 import v2_binary, v2_tensor, v2_text
from mlserver_forest.formats.v2.v2_tensor import BYTES, DTYPES
from mlserver_forest.serving.v2 import v2_types

Fields = dict[str, Any]

_MISSING = object()
_INSTEAD = 'rows go to /invocations as {"instances": [[...], ...]}'
_TENSOR = f"a tensor with name, shape, datatype and data; {_INSTEAD}"
_TENSORS = f"a list of tensors; {_INSTEAD}"
_OF_REQUEST = ("id", "inputs", "outputs", "parameters", "model_name")
_OF_TENSOR = ("name", "shape", "datatype", "parameters", "data")
_OF_OUTPUT = ("name", "parameters")
_SIZE = "binary_data_size"
_SHARED = "shared_memory_region"


class AttachedBytes:
    """The bytes that follow the JSON: the tensors, one after the other.

    Args:
        content: all the bytes.
    """

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self._position = 0

    @property
    def n_left(self) -> int:
        """The number of bytes that have not been taken yet."""
        return len(self._content) - self._position

    def take(self, size: int) -> memoryview:
        """Take the next ``size`` bytes."""
        self._position += size
        return self._content[self._position - size : self._position]


def request_from(document: Any, attached: AttachedBytes | None = None) -> InferenceRequest:
    """Check a parsed request and read its tensors; numbers become arrays.

    A member that the protocol does not define is refused, because the sender means something by it;
    ``model_name``, which KServe's client repeats from the URL, is not.

    Args:
        document: from ``json_document.loads``.
        attached: the bytes that follow the JSON, if any.

    Raises:
        InvalidInput: naming the place, what came and what was expected.
    """
    if fault := encoded_twice(document, "the body"):
        raise InvalidInput(f"not a V2 request: {fault}")
    _check(document, dict, "the body", f'an object with "inputs"; {_INSTEAD}')
    inputs = _check(document.get("inputs", _MISSING), list, "inputs", _TENSORS)
    tensors = [_input(tensor, f"inputs.{n}", attached) for n, tensor in enumerate(inputs)]
    outputs = [_output(output, f"outputs.{n}") for n, output in enumerate(_outputs(document))]
    if attached and attached.n_left:
        raise InvalidInput(
            f"{attached.n_left} bytes follow the last tensor; expected as many bytes after the "
            f"JSON as the {_SIZE} of the inputs add up to"
        )
    for part in (document, *inputs):
        read_rest(part)
    _check_members(document, inputs)
    fields = {
        "id": _optional(document.get("id"), str, "id", "a string"),
        "parameters": checked_parameters(_object(document, ""), "parameters"),
        "outputs": outputs or None,
    }
    return request_of(fields, tensors)


def request_of(fields: Fields, tensors: Sequence[tuple[Fields, Any]]) -> InferenceRequest:
    """Make MLServer's request.

    Args:
        fields: the fields of the request, without its inputs.
        tensors: the fields of each input without its data, and the data. Pydantic must not
            validate the data, which would take a millisecond for 10,000 rows.
    """
    inputs = [
        v2_types.request_input(
            tensor["name"],
            tensor["shape"],
            tensor["datatype"],
            data,
            v2_types.parameters(tensor["parameters"]),
        )
        for tensor, data in tensors
    ]
    outputs = fields["outputs"] and [
        v2_types.request_output(output["name"], v2_types.parameters(output["parameters"]))
        for output in fields["outputs"]
    ]
    parameters = v2_types.parameters(fields["parameters"])
    return v2_types.inference_request(inputs, outputs, fields["id"], parameters)


def binary_outputs(document: Mapping[str, Any]) -> tuple[dict[str, bool], bool]:
    """Which outputs the request wants as bytes, by name and by default.

    Args:
        document: a request that ``request_from`` has read.

    Raises:
        InvalidInput: if a parameter is neither true nor false.
    """
    by_default = _flag(_object(document, ""), "binary_data_output", "parameters")
    flags = {}
    for n, output in enumerate(_outputs(document)):
        place = f"outputs.{n}."
        flag = _flag(_object(output, place), "binary_data", f"{place}parameters")
        if flag is not None:
            flags[output["name"]] = flag
    return flags, bool(by_default)


def checked_parameters(parameters: Mapping[str, Any], place: str) -> Fields | None:
    """Parameters that MLServer's codecs may read, without ``headers``, which a body must not set.

    Raises:
        InvalidInput: if ``content_type`` is not a string, or the tensor is in shared memory.
    """
    if not parameters:
        return None
    if _SHARED in parameters:
        raise InvalidInput(
            f"not a V2 request: {place}.{_SHARED}: this server shares no memory with its clients; "
            "send the data in the request"
        )
    _optional(parameters.get("content_type"), str, f"{place}.content_type", "a string")
    return {name: parameters[name] for name in parameters if name not in {"headers", _SIZE}}


def _outputs(document: Mapping[str, Any]) -> list[Any]:
    outputs = whole(document.get("outputs"))
    return _optional(outputs, list, "outputs", "a list of outputs") or []


def _input(tensor: Any, place: str, attached: AttachedBytes | None) -> tuple[Fields, Any]:
    _check(tensor, dict, place, _TENSOR)
    if "name" not in tensor and "datatype" not in tensor:
        raise _fault(place, tensor, _TENSOR)
    name = _check(tensor.get("name", _MISSING), str, f"{place}.name", "a string")
    datatype = tensor.get("datatype", _MISSING)
    known = (*DTYPES, BYTES) if attached is None else (*DTYPES, v2_binary.BF16, BYTES)
    if not isinstance(datatype, str) or datatype not in known:
        raise _fault(f"{place}.datatype", datatype, f"one of {', '.join(known)}")
    shape = _shape(tensor, f"{place}.shape")
    parameters = _object(tensor, f"{place}.")
    checked = checked_parameters(parameters, f"{place}.parameters")
    if _SIZE in parameters:
        data = _from_bytes(tensor, place, parameters[_SIZE], attached)
    else:
        data = _from_list(tensor, place)
    fields = {
        "name": name,
        "shape": shape,
        "datatype": "FP32" if datatype == v2_binary.BF16 else datatype,
        "parameters": checked,
    }
    return fields, data


def _from_list(tensor: Mapping[str, Any], place: str) -> Any:
    data = tensor.get("data", _MISSING)
    if not isinstance(data, list | LargeArray):
        raise _fault(f"{place}.data", data, "a list")
    name, datatype, shape = tensor["name"], tensor["datatype"], tensor["shape"]
    if datatype == v2_binary.BF16:
        raise InvalidInput(f"not a V2 request: {place}: BF16 has no form in JSON; send bytes")
    if datatype != BYTES:
        return v2_tensor.to_array(name, datatype, shape, data)
    size = v2_text.element_count(name, shape)
    elements, _ = v2_tensor.flat(name, list(islice(data, size + 1)))
    v2_text.check_elements(name, shape, len(elements))
    return elements


def _from_bytes(
    tensor: Mapping[str, Any], place: str, size: Any, attached: AttachedBytes | None
) -> Any:
    place = f"{place}.parameters.{_SIZE}"
    if "data" in tensor:
        raise InvalidInput(f"not a V2 request: {place}: the tensor also has data; send one")
    if attached is None:
        raise InvalidInput(
            f"not a V2 request: {place}: no bytes follow the JSON; send its length in the "
            "header Inference-Header-Content-Length"
        )
    if type(size) is not int or not 0 <= size <= attached.n_left:
        raise _fault(place, size, f"a number of bytes; {attached.n_left} are left of the body")
    name, datatype, shape = tensor["name"], tensor["datatype"], tensor["shape"]
    raw = attached.take(size)
    if datatype == BYTES:
        return v2_binary.to_elements(name, shape, raw)
    return v2_binary.to_array(name, datatype, shape, raw)


def _shape(tensor: Mapping[str, Any], place: str) -> list[int]:
    shape: list[int] = _check(
        tensor.get("shape", _MISSING), list, place, "a list of numbers of elements"
    )
    for n, length in enumerate(shape):
        if type(length) is not int or length < 0:
            raise _fault(f"{place}.{n}", length, "a whole number, 0 or more")
    return shape


def _output(output: Any, place: str) -> Fields:
    _check(output, dict, place, 'an object with "name"')
    parameters = _object(output, f"{place}.")
    return {
        "name": _check(output.get("name", _MISSING), str, f"{place}.name", "a string"),
        "parameters": checked_parameters(parameters, f"{place}.parameters"),
    }


def _check_members(document: Mapping[str, Any], inputs: Sequence[Any]) -> None:
    _check_known(document, _OF_REQUEST, "")
    for n, tensor in enumerate(inputs):
        _check_known(tensor, _OF_TENSOR, f"inputs.{n}.")
    for n, output in enumerate(_outputs(document)):
        _check_known(output, _OF_OUTPUT, f"outputs.{n}.")


def _check_known(holder: Mapping[str, Any], known: Collection[str], place: str) -> None:
    for name, value in holder.items():
        if name not in known and value is not None:
            raise _fault(f"{place}{format_name(name)}", value, f"none but {', '.join(known)}")


def _object(holder: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    found = holder.get("parameters")
    return _optional(found, dict, f"{place}parameters", "an object") or {}


def _flag(parameters: Mapping[str, Any], name: str, place: str) -> bool | None:
    flag: bool | None = _optional(parameters.get(name), bool, f"{place}.{name}", "true or false")
    return flag


def _optional(value: Any, kind: type, place: str, expected: str) -> Any:
    return value if value is None else _check(value, kind, place, expected)


def _check(value: Any, kind: type, place: str, expected: str) -> Any:
    if not isinstance(value, kind):
        raise _fault(place, value, expected)
    return value


def _fault(place: str, value: Any, expected: str) -> InvalidInput:
    came = "nothing came" if value is _MISSING else f"{format_value(value)} came"
    return InvalidInput(f"not a V2 request: {place}: {came}; expected {expected}")
