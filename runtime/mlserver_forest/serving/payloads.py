"""Bodies to V2 requests, V2 responses to bodies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlserver.codecs.json import encode_to_json_bytes
from mlserver.types import (
    InferenceRequest,
    InferenceResponse,
    RequestInput,
    RequestOutput,
    ResponseOutput,
    TensorData,
)
from pydantic import ValidationError

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats import application_json, text_csv
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.schema import PREDICT, PREDICT_PROBA, Schema
from mlserver_forest.serving.media_types import CSV, JSON, MediaType

# The runtimes take one matrix of any name.
_MATRIX = "X"
# SageMaker's own algorithms call them so.
_SCORE_KEYS = {PREDICT_PROBA: "probabilities"}


@dataclass(frozen=True, slots=True)
class Invocation:
    """A decoded request, and how its answer is to be written."""

    request: InferenceRequest
    media_type: str
    encode: Callable[[InferenceResponse], bytes]


def decode_request(body: bytes, sent: MediaType, accept: str, schema: Schema) -> Invocation:
    """Decode a body for the data plane.

    Args:
        body: the bytes, in the media type ``sent``.
        sent: a supported media type.
        accept: the supported media type of the answer.
        schema: what the model expects.

    Raises:
        InvalidInput: if the body is not what the schema expects.
    """
    return _DECODERS[sent.essence](body, sent.parameters, accept, schema)


def _decode_csv(
    body: bytes, parameters: Mapping[str, str], accept: str, schema: Schema
) -> Invocation:
    return _invocation(text_csv.decode(body, schema, parameters), accept, schema)


def _decode_json(
    body: bytes, parameters: Mapping[str, str], accept: str, schema: Schema
) -> Invocation:
    document = application_json.parse(body)
    if not (isinstance(document, dict) and "inputs" in document):
        return _invocation(application_json.decode(document, schema), accept, schema)
    request = _v2_request(document)
    if accept == CSV:
        request.outputs = [RequestOutput(name=PREDICT)]
        return Invocation(request, CSV, _encoder(CSV, schema))
    return Invocation(request, JSON, _encode_v2)


_DECODERS: Mapping[str, Callable[[bytes, Mapping[str, str], str, Schema], Invocation]] = {
    CSV: _decode_csv,
    JSON: _decode_json,
}


def _invocation(numbers: Any, accept: str, schema: Schema) -> Invocation:
    x = schema.conform(numbers)
    matrix = RequestInput.model_construct(
        name=_MATRIX,
        shape=list(x.shape),
        datatype=schema.datatype,
        parameters=None,
        data=TensorData.model_construct(root=x),
    )
    names = schema.output_names if accept == JSON else (PREDICT,)
    outputs = [RequestOutput.model_construct(name=name, parameters=None) for name in names]
    request = InferenceRequest.model_construct(
        id=None, parameters=None, inputs=[matrix], outputs=outputs
    )
    return Invocation(request, accept, _encoder(accept, schema))


def _v2_request(document: Mapping[str, Any]) -> InferenceRequest:
    try:
        return InferenceRequest.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidInput(f"not a V2 request: {place}: {first['msg']}") from error


def _encoder(accept: str, schema: Schema) -> Callable[[InferenceResponse], bytes]:
    write = {CSV: text_csv.encode, JSON: application_json.encode}[accept]
    return lambda response: write(_predictions(response, schema))


def _encode_v2(response: InferenceResponse) -> bytes:
    return bytes(encode_to_json_bytes(response.model_dump()))


def _predictions(response: InferenceResponse, schema: Schema) -> Predictions:
    outputs: dict[str, ResponseOutput] = {output.name: output for output in response.outputs}
    values = [
        value.decode() if isinstance(value, bytes) else value
        for value in _rows(outputs.pop(PREDICT))
    ]
    is_number = schema.kind == "regression" or any(isinstance(value, float) for value in values[:1])
    return Predictions(
        values=values,
        are_labels=not is_number,
        scores={_SCORE_KEYS.get(name, name): _rows(output) for name, output in outputs.items()},
    )


def _rows(output: ResponseOutput) -> list[Any]:
    """A value, or a list of them, for each row."""
    width = output.shape[1] if len(output.shape) > 1 else 1
    flat = list(output.data)
    if output.name != PREDICT_PROBA and width == 1:
        return flat
    return [flat[start : start + width] for start in range(0, len(flat), width)]
