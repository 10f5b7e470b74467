"""Bodies to V2 requests, V2 responses to bodies."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mlserver.types import (
    InferenceRequest,
    InferenceResponse,
    RequestInput,
    RequestOutput,
    ResponseOutput,
    TensorData,
)
from numpy.typing import NDArray

from mlserver_forest.formats import (
    application_json,
    application_jsonlines,
    arrow_stream,
    text_csv,
    text_libsvm,
    x_npy,
    x_npz,
    x_parquet,
    x_recordio_protobuf,
)
from mlserver_forest.formats.labels import Labels
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.predictions import Column, Predictions
from mlserver_forest.schema import Schema
from mlserver_forest.serving import media_types, outputs, v2_infer
from mlserver_forest.serving.media_types import MediaType

Decoder = Callable[[Body, Schema, Mapping[str, str]], NDArray[Any]]
Encoder = Callable[[Predictions], Iterator[bytes]]

_DECODERS: Mapping[str, Decoder] = {
    media_types.CSV: text_csv.decode,
    media_types.JSONLINES: application_jsonlines.decode,
    media_types.NPY: x_npy.decode,
    media_types.NPZ: x_npz.decode,
    media_types.PARQUET: x_parquet.decode,
    media_types.ARROW_STREAM: arrow_stream.decode,
    media_types.LIBSVM: text_libsvm.decode,
    media_types.RECORDIO: x_recordio_protobuf.decode,
}
_ENCODERS: Mapping[str, Encoder] = {
    media_types.CSV: text_csv.encode,
    media_types.JSON: application_json.encode,
    media_types.JSONLINES: application_jsonlines.encode,
    media_types.NPY: x_npy.encode,
    media_types.PARQUET: x_parquet.encode,
    media_types.ARROW_STREAM: arrow_stream.encode,
    media_types.RECORDIO: x_recordio_protobuf.encode,
}
# Where a row is one value unless outputs are chosen.
_ONE_VALUE = (media_types.CSV, media_types.NPY)
_LINES = (media_types.CSV, media_types.JSONLINES)
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
class Invocation:
    """A decoded request, and how its answer is to be written."""

    request: InferenceRequest
    media_type: str
    encode: Callable[[InferenceResponse], Iterator[bytes]]

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return ((b"content-type", self.media_type.encode()),)


def decode_request(body: Body, sent: MediaType, wanted: Wanted, schema: Schema) -> Invocation:
    """Decode a body for the data plane.

    Raises:
        InvalidInput: if the body is not what the schema expects, or an output is
            chosen that the model has not.
        NotAcceptable: if a V2 request wants an answer that V2 outputs have no form in.
    """
    outputs.check_names(wanted.outputs, schema)
    kind = media_types.format_of(sent.essence)
    if kind != media_types.JSON:
        return _invocation(_DECODERS[kind](body, schema, sent.parameters), wanted, schema)
    document = application_json.parse(body)
    if isinstance(document, dict) and "inputs" in document:
        return _v2_invocation(v2_infer.request_from(document), wanted, schema)
    return _invocation(application_json.decode(document, schema), wanted, schema)


def _invocation(x: NDArray[Any], wanted: Wanted, schema: Schema) -> Invocation:
    names = wanted.outputs or outputs.default_names(
        schema, only_first=media_types.format_of(wanted.media_type) in _ONE_VALUE
    )
    matrix = RequestInput.model_construct(
        name=_MATRIX,
        shape=list(x.shape),
        datatype=schema.datatype,
        parameters=None,
        data=TensorData.model_construct(root=x),
    )
    request = InferenceRequest.model_construct(
        id=None,
        parameters=None,
        inputs=[matrix],
        outputs=[_wanted_output(name) for name in outputs.v2_names(names, schema)],
    )
    return Invocation(request, wanted.media_type, _encoder(names, wanted, schema))


def _v2_invocation(request: InferenceRequest, wanted: Wanted, schema: Schema) -> Invocation:
    """A V2 request is answered as V2, or by its labels or numbers where Accept wants those."""
    if wanted.media_type == media_types.JSON and not wanted.chosen:
        return Invocation(request, media_types.JSON, v2_infer.encode_json)
    names = wanted.outputs or outputs.default_names(schema, only_first=True)
    request.outputs = [_wanted_output(name) for name in outputs.v2_names(names, schema)]
    return Invocation(request, wanted.media_type, _encoder(names, wanted, schema))


def _wanted_output(name: str) -> RequestOutput:
    return RequestOutput.model_construct(name=name, parameters=None)


def _encoder(
    names: Sequence[str], wanted: Wanted, schema: Schema
) -> Callable[[InferenceResponse], Iterator[bytes]]:
    kind = media_types.format_of(wanted.media_type)
    write = _ENCODERS[kind]

    def encode(response: InferenceResponse) -> Iterator[bytes]:
        arrays = {output.name: _array(output) for output in response.outputs}
        selected = bool(wanted.outputs)
        blocks = write(outputs.predictions(names, arrays, schema, selected=selected))
        cut = kind in _LINES and not wanted.ends_with_newline
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
    if not isinstance(data, np.ndarray):
        texts = [value.decode() if isinstance(value, bytes) else value for value in data]
        data = np.array(texts, dtype=object if isinstance(texts[0], str) else None)
    return np.asarray(data.reshape(output.shape))
