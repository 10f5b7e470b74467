"""What the parameters of a V2 request mean to a forest: each is honored, or refused by its name.

Parameters change how MLServer's codecs and Triton's extensions read a tensor, so that an answer to
a request whose parameters are not understood could be the answer to another question.
"""

import base64
import binascii
from collections.abc import Collection, Mapping
from typing import Any

from mlserver.types import InferenceRequest, Parameters, RequestInput

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.v2.v2_tensor import BYTES
from mlserver_forest.schema.schema import Schema

_CONTENT_TYPE = "content_type"
_BASE64, _DATETIME = "base64", "datetime"
# ``headers`` are those of stock MLServer's own request; a body cannot set them.
_HEADERS = "headers"
_OF_REQUEST = frozenset({_CONTENT_TYPE, "binary_data_output", _HEADERS})
_OF_INPUT = frozenset({_CONTENT_TYPE})
_OF_OUTPUT = frozenset({_CONTENT_TYPE, "binary_data"})
# MLServer's names for tensors of numbers, of text, and for one tensor a column.
_PLAIN = frozenset({"np", "str", "pd"})
_OF_BYTES = frozenset({"str", "np", _BASE64, _DATETIME})
_OF_NUMBERS = frozenset({"np"})


def check_parameters(request: InferenceRequest, schema: Schema) -> None:
    """Check that a forest understands every parameter of a request.

    Raises:
        InvalidInput: naming the parameter, where it is, and what is understood there.
    """
    if request.parameters is not None:
        _check("parameters", request.parameters, _OF_REQUEST, _PLAIN)
    for place, tensor in enumerate(request.inputs):
        if tensor.parameters is not None:
            known = _OF_BYTES if _is_text(tensor) else _OF_NUMBERS
            _check(f"inputs.{place}.parameters", tensor.parameters, _OF_INPUT, known)
            _check_dates(place, tensor, schema)
    for place, output in enumerate(request.outputs or ()):
        if output.parameters is not None:
            _check(f"outputs.{place}.parameters", output.parameters, _OF_OUTPUT, _PLAIN)


def decoded(texts: list[str], tensor: RequestInput) -> list[str]:
    """The elements of a tensor of BYTES as its content type says.

    Raises:
        InvalidInput: naming the element that is not base64, or not UTF-8 within.
    """
    if _content_type(tensor.parameters) != _BASE64:
        return texts
    return [_from_base64(tensor.name, place, text) for place, text in enumerate(texts, 1)]


def _check(
    place: str, parameters: Parameters, known: Collection[str], content_types: Collection[str]
) -> None:
    found: Mapping[str, Any] = parameters.model_extra or {}
    for name, value in found.items():
        if name not in known and value is not None:
            raise InvalidInput(
                f"{place}.{name}: {format_value(value)} came, which this model does not "
                f"understand; leave it out; expected none but {_listed(known)}"
            )
    content_type = _content_type(parameters)
    if content_type is not None and content_type not in content_types:
        raise InvalidInput(
            f"{place}.{_CONTENT_TYPE}: {format_value(content_type)} came; expected "
            f"{' or '.join(sorted(content_types))}, or nothing"
        )


def _check_dates(place: int, tensor: RequestInput, schema: Schema) -> None:
    """``datetime`` means something to a feature that training read as dates, and to no other."""
    if _content_type(tensor.parameters) != _DATETIME:
        return
    spelling = schema.spellings.get(tensor.name)
    if spelling is None or not spelling.is_date:
        raise InvalidInput(
            f"inputs.{place}.parameters.{_CONTENT_TYPE}: 'datetime' came, but "
            f"{format_value(tensor.name)} is not a feature of dates; send its text without it"
        )


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(set(names) - {_HEADERS}))


def _is_text(tensor: RequestInput) -> bool:
    return str(getattr(tensor.datatype, "value", tensor.datatype)) == BYTES


def _content_type(parameters: Parameters | None) -> str | None:
    return None if parameters is None else parameters.content_type


def _from_base64(name: str, place: int, text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(
            f"input {format_value(name)}, element {place} is {format_value(text)}, which is not "
            "text in UTF-8 encoded as base64, as its content_type says"
        ) from error
