"""Invocations of a model with a schema: rows of it in any media type, or V2 requests."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mlserver.types import InferenceRequest, InferenceResponse
from numpy.typing import NDArray

from mlserver_forest.formats.decoding import RequestDecoder
from mlserver_forest.formats.json import application_json
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.predictions import Column, Predictions
from mlserver_forest.model import named_outputs
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.http import media_types
from mlserver_forest.serving.http.response import Headers
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.pipeline import Inference
from mlserver_forest.serving.sagemaker import mlflow_rows
from mlserver_forest.serving.sagemaker.invocation_headers import (
    AcceptedResponse,
    InvocationDefaults,
    InvocationHeaders,
    read_headers,
)
from mlserver_forest.serving.sagemaker.one_row import one_row
from mlserver_forest.serving.sagemaker.written_predictions import WriteColumns, writer
from mlserver_forest.serving.v2 import v2_types
from mlserver_forest.serving.v2.output_tensors import array_of
from mlserver_forest.serving.v2.request_parser import request_from
from mlserver_forest.serving.v2.rest_codec import encode_infer, new_id


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """How a model's outputs become the body of a response.

    Attributes:
        v2_names: the V2 outputs from which the outputs of the response are made.
        write: turns outputs by V2 name into the headers and the blocks of the body.
    """

    v2_names: tuple[str, ...]
    write: WriteColumns


class NegotiatedRows:
    """A request whose headers have been read, but not its body.

    Args:
        headers: of the request.
        defaults: what the operator has set.
        model: the model that answers.

    Attributes:
        may_expand: see ``negotiation.Negotiated``.

    Raises:
        InvalidInput: if an output is chosen that the model does not have.
    """

    def __init__(
        self, headers: InvocationHeaders, defaults: InvocationDefaults, model: LoadedModel
    ) -> None:
        sent, accepted = read_headers(headers, defaults)
        named_outputs.check_names(accepted.outputs, model.schema)
        self._sent = sent
        self._sent_format = media_types.format_of(sent.essence)
        self._accepted = accepted
        self._model = model
        self._decoder = RequestDecoder(model.schema)
        self.may_expand = self._sent_format.may_expand
        only_first = (
            accepted.has_plain_values or media_types.format_of(accepted.media_type).has_one_value
        )
        self._format = _response_format(accepted, model.schema, only_first=only_first)
        self._one_row = None
        if not accepted.outputs and not accepted.is_mlflow:
            ends = accepted.ends_with_newline
            self._one_row = one_row(sent, accepted.media_type, model, ends_with_newline=ends)

    def parse(self, body: Body, headers: Mapping[bytes, bytes]) -> Inference:
        """Parse a body.

        Raises:
            InvalidInput: if the body is not what the model's schema expects.
        """
        inference = None if self._one_row is None else self._one_row.inference(body)
        if inference is not None:
            return inference
        if not self._sent_format.has_messages:
            x = self._decoder.decode(self._sent_format, body, self._sent.parameters)
            return self._of_rows(x, self._format)
        document, format_ = application_json.load(body, self._decoder.json), self._format
        if self._accepted.is_mlflow:
            format_ = self._chosen_in(document)
            document = mlflow_rows.rows_of(document)
        if isinstance(document, dict) and "inputs" in document:
            return self._of_message(request_from(document))
        rows = partial(application_json.parse_document, document, source=self._decoder.json)
        return self._of_rows(self._decoder.matrix(rows, len(body)), format_)

    def _chosen_in(self, document: Any) -> ResponseFormat:
        """The format of the answer to a document that may choose outputs itself."""
        chosen = mlflow_rows.take_outputs(document)
        if not chosen:
            return self._format
        named_outputs.check_names(chosen, self._model.schema)
        accepted = replace(self._accepted, outputs=chosen, is_chosen=True)
        return _response_format(accepted, self._model.schema, only_first=False)

    def _of_rows(self, x: NDArray[Any], format_: ResponseFormat) -> Inference:
        return Inference.of_rows(self._model, x, format_.v2_names, format_.write)

    def _of_message(self, message: InferenceRequest) -> Inference:
        """Answer a V2 request as V2, or in another media type if Accept prefers one."""
        accepted = self._accepted
        if accepted.media_type == media_types.JSON and not accepted.is_chosen:
            id_ = message.id or new_id()
            write = partial(encode_infer, id_=id_)
            return Inference.of_message(self._model, None, message, write, id_)
        format_ = _response_format(accepted, self._model.schema, only_first=True)
        message.outputs = [v2_types.request_output(name) for name in format_.v2_names]

        def write_columns(response: InferenceResponse) -> tuple[Headers, Iterable[bytes]]:
            return format_.write({output.name: array_of(output) for output in response.outputs})

        return Inference.of_message(self._model, None, message, write_columns, message.id)


def _response_format(
    accepted: AcceptedResponse, schema: Schema, *, only_first: bool
) -> ResponseFormat:
    names = accepted.outputs or named_outputs.default_names(schema, only_first=only_first)
    are_selected = bool(accepted.outputs)

    def predictions(columns: Mapping[str, Column]) -> Predictions:
        return named_outputs.predictions(names, columns, schema, selected=are_selected)

    return ResponseFormat(named_outputs.v2_names(names, schema), writer(accepted, predictions))
