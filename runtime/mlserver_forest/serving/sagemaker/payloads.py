"""Bodies to V2 requests, V2 responses to bodies."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mlserver.types import InferenceRequest, InferenceResponse, RequestOutput, ResponseOutput
from numpy.typing import NDArray

from mlserver_forest.formats.decoding import decoder
from mlserver_forest.formats.json import application_json
from mlserver_forest.formats.labels import Labels
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.predictions import Column
from mlserver_forest.formats.registry import load
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.http import media_types
from mlserver_forest.serving.http.media_types import MediaType
from mlserver_forest.serving.sagemaker import outputs
from mlserver_forest.serving.v2 import rest_codec, v2_types

# The runtimes take one matrix of any name.
_MATRIX = "X"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The answer that a request asks for.

    Attributes:
        media_type: a media type that is written, or an alias of one.
        outputs: chosen by name, or none for the media type's own.
        chosen: those of them that the request itself chose: a V2 request that chooses none
            is answered as V2.
        ends_with_newline: whether the last line is ended, as it must not be where
            SageMaker ends it.
    """

    media_type: str
    outputs: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    ends_with_newline: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """How requests with the same headers are answered.

    Attributes:
        headers: of the answer.
        outputs: for the model.
        encode: writes the answer.
    """

    headers: tuple[tuple[bytes, bytes], ...]
    outputs: list[RequestOutput]
    encode: Callable[[InferenceResponse], Iterator[bytes]]


def plan_of(wanted: Wanted, schema: Schema) -> Plan:
    """Plan the answer to requests that hold rows.

    Raises:
        InvalidInput: if an output is chosen that the model has not.
    """
    outputs.check_names(wanted.outputs, schema)
    only_first = media_types.format_of(wanted.media_type).has_one_value
    return _plan(
        wanted.outputs or outputs.default_names(schema, only_first=only_first), wanted, schema
    )


def decode_request(
    body: Body, sent: MediaType, wanted: Wanted, plan: Plan, schema: Schema
) -> tuple[InferenceRequest, Plan]:
    """Decode a body for the data plane; a V2 request has a plan of its own.

    Raises:
        InvalidInput: if the body is not what the schema expects.
    """
    found = media_types.format_of(sent.essence)
    if not found.has_messages:
        return _request(decoder(found)(body, schema, sent.parameters), plan, schema), plan
    document = application_json.load(body)
    if isinstance(document, dict) and "inputs" in document:
        request = rest_codec.request_from(document)
        return request, _v2_plan(request, wanted, schema)
    return _request(application_json.decode(document, schema, len(body)), plan, schema), plan


def _request(x: NDArray[Any], plan: Plan, schema: Schema) -> InferenceRequest:
    matrix = v2_types.request_input(_MATRIX, [*x.shape], schema.datatype, x)
    return v2_types.inference_request([matrix], plan.outputs)


def _v2_plan(request: InferenceRequest, wanted: Wanted, schema: Schema) -> Plan:
    """A V2 request is answered as V2, or by its labels or numbers where Accept wants those."""
    if wanted.media_type == media_types.JSON and not wanted.chosen:
        request.id = request.id or rest_codec.new_id()
        return Plan(_content_type(media_types.JSON), [], rest_codec.encode_json)
    names = wanted.outputs or outputs.default_names(schema, only_first=True)
    plan = _plan(names, wanted, schema)
    request.outputs = plan.outputs
    return plan


def _plan(names: Sequence[str], wanted: Wanted, schema: Schema) -> Plan:
    wanted_outputs = [v2_types.request_output(name) for name in outputs.v2_names(names, schema)]
    headers = _content_type(wanted.media_type)
    return Plan(headers, wanted_outputs, _encoder(names, wanted, schema))


def _content_type(media_type: str) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"content-type", media_type.encode()),)


def _encoder(
    names: Sequence[str], wanted: Wanted, schema: Schema
) -> Callable[[InferenceResponse], Iterator[bytes]]:
    found = media_types.format_of(wanted.media_type)
    write = load(found.write)
    are_selected = bool(wanted.outputs)
    cut = found.has_lines and not wanted.ends_with_newline

    def encode(response: InferenceResponse) -> Iterator[bytes]:
        arrays = {output.name: _array(output) for output in response.outputs}
        blocks = write(outputs.predictions(names, arrays, schema, selected=are_selected))
        return _without_last_newline(blocks) if cut else blocks

    return encode


def _without_last_newline(blocks: Iterator[bytes]) -> Iterator[bytes]:
    last = next(blocks, b"")
    for block in blocks:
        yield last
        last = block
    yield last.removesuffix(b"\n")


def _array(output: ResponseOutput) -> Column:
    """A V2 output as an array; text as strings."""
    data = output.data.root
    if isinstance(data, Labels):
        return data
    if isinstance(data, np.ndarray) and list(data.shape) == output.shape:
        return data
    if not isinstance(data, np.ndarray):
        texts = [value.decode() if isinstance(value, bytes) else value for value in data]
        data = np.array(texts, dtype=object if isinstance(texts[0], str) else None)
    return np.asarray(data.reshape(output.shape))
