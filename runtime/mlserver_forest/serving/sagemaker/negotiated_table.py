"""Invocations of a model of another runtime: tables in any media type, or V2 requests."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from mlserver.types import InferenceRequest, InferenceResponse

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.body_table import read_table, table_of
from mlserver_forest.formats.json import application_json
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.predictions import Column, Predictions
from mlserver_forest.serving.http import media_types
from mlserver_forest.serving.http.response import Headers
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.models.table_answer import (
    chosen_columns,
    columns_of,
    renamed,
    requested,
)
from mlserver_forest.serving.models.table_request import TableRequests
from mlserver_forest.serving.pipeline import Inference
from mlserver_forest.serving.sagemaker import mlflow_rows
from mlserver_forest.serving.sagemaker.invocation_headers import (
    InvocationDefaults,
    InvocationHeaders,
    read_headers,
)
from mlserver_forest.serving.sagemaker.written_predictions import writer
from mlserver_forest.serving.v2.request_parser import request_from
from mlserver_forest.serving.v2.rest_codec import encode_infer, new_id

if TYPE_CHECKING:
    from mlserver_forest.serving.models.foreign_runtime import ForeignRuntime

# Members beside the rows: MLflow's scoring server hands these to the model, as MLServer's runtime
# does with the parameters of a request.
_PARAMETERS = ("params", "parameters")
# TensorFlow Serving's, and SageMaker's algorithms'.
_UNREAD = ("signature_name", "configuration")


class NegotiatedTable:
    """A request whose headers have been read, but not its body.

    Args:
        headers: of the request.
        defaults: what the operator has set.
        model: the model, whose runtime is a ``ForeignRuntime`` that reads tables.

    Attributes:
        may_expand: see ``negotiation.Negotiated``.
    """

    def __init__(
        self, headers: InvocationHeaders, defaults: InvocationDefaults, model: LoadedModel
    ) -> None:
        runtime: ForeignRuntime = model.runtime  # type: ignore[assignment]  # its body_kind
        self._sent, self._accepted = read_headers(headers, defaults)
        self._format = media_types.format_of(self._sent.essence)
        self._model = model
        self._requests = TableRequests.of(runtime)
        self._headers = headers.sent()
        self.may_expand = self._format.may_expand
        self._write = writer(self._accepted, self._predictions)

    def parse(self, body: Body, headers: Mapping[bytes, bytes]) -> Inference:
        """Parse a body.

        Raises:
            InvalidInput: if the body is not a table, or not one that the model reads.
        """
        if not self._format.has_messages:
            found = self._format
            table = read_table(found, body, self._sent.parameters, self._requests.texts)
            return self._of_rows(self._requests.request(table, {"headers": self._headers}))
        document = application_json.load(body)
        if self._accepted.is_mlflow:
            document = mlflow_rows.rows_of(document)
        if isinstance(document, dict) and "inputs" in document:
            return self._of_message(request_from(document))
        return self._of_rows(request_of(document, len(body), self._requests, self._headers))

    def _of_rows(self, message: InferenceRequest) -> Inference:
        if self._accepted.outputs:
            message.outputs = requested(self._accepted.outputs)
        return Inference.of_message(self._model, None, message, self._write_columns)

    def _of_message(self, message: InferenceRequest) -> Inference:
        """Answer a V2 request as V2, or in another media type if Accept prefers one."""
        accepted = self._accepted
        if accepted.media_type == media_types.JSON and not accepted.is_chosen:
            write = partial(encode_infer, id_=message.id or new_id())
            return Inference.of_message(self._model, None, message, write)
        return self._of_rows(message)

    def _write_columns(self, response: InferenceResponse) -> tuple[Headers, Iterable[bytes]]:
        return self._write(columns_of(response, self._model.name))

    def _predictions(self, columns: Mapping[str, Column]) -> Predictions:
        if not self._accepted.outputs:
            return Predictions(renamed(columns))
        return Predictions(chosen_columns(columns, self._accepted.outputs), are_selected=True)


def request_of(
    document: Any, n_bytes: int, requests: TableRequests, headers: Mapping[str, str]
) -> InferenceRequest:
    """The V2 request for the rows of a JSON document.

    Args:
        document: from ``application_json.load``; it may be changed.
        n_bytes: the length of its text.
        requests: of the model.
        headers: that the model is shown.

    Raises:
        InvalidInput: if the rows are not a table, or not one that the model reads.
    """
    parameters = _take_parameters(document)
    rows = partial(application_json.parse_document, document)
    table = table_of(rows, n_bytes, requests.texts)
    return requests.request(table, {**parameters, "headers": headers})


def _take_parameters(document: Any) -> dict[str, Any]:
    """Take out what stands beside the rows of a document, and reaches the model as parameters."""
    if not isinstance(document, dict):
        return {}
    unread = [name for name in _UNREAD if name in document and len(document) > 1]
    if unread and any(name in document for name in ("instances", "dataframe_records")):
        raise InvalidInput(f"{format_value(unread[0])} means nothing to this model; leave it out")
    found: dict[str, Any] = {}
    for name in _PARAMETERS:
        if isinstance(document.get(name), dict) and len(document) > 1:
            found |= document.pop(name)
    return {name: value for name, value in found.items() if name != "headers"}
