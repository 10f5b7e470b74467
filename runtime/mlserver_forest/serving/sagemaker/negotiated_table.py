"""Invocations of a model of another runtime: tables in any media type, or V2 requests."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from mlserver.types import InferenceRequest, InferenceResponse

from mlserver_forest.errors import InvalidInput, ModelFailed, NotAcceptable, format_value
from mlserver_forest.formats.body_table import BodyTable, read_table, table_of
from mlserver_forest.formats.json import application_json
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.predictions import Column, Predictions
from mlserver_forest.schema.output_names import PREDICT, PREDICT_PROBA
from mlserver_forest.serving.http import media_types
from mlserver_forest.serving.http.response import Headers
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.models.table_request import TableRequests
from mlserver_forest.serving.pipeline import Inference
from mlserver_forest.serving.sagemaker.invocation_headers import (
    InvocationDefaults,
    InvocationHeaders,
    read_headers,
)
from mlserver_forest.serving.sagemaker.written_predictions import writer
from mlserver_forest.serving.v2 import v2_types
from mlserver_forest.serving.v2.output_tensors import array_of
from mlserver_forest.serving.v2.request_parser import request_from
from mlserver_forest.serving.v2.rest_codec import encode_infer, new_id

if TYPE_CHECKING:
    from mlserver_forest.serving.models.foreign_runtime import ForeignRuntime

# The names of SageMaker's built-in algorithms for the outputs of MLServer's runtimes.
_V2_NAMES = {
    "predicted_label": PREDICT,
    "score": PREDICT,
    "predicted_score": PREDICT,
    "probabilities": PREDICT_PROBA,
}
# What MLServer's runtimes, and its codecs, call a prediction.
_PREDICTIONS = frozenset({PREDICT, "output-1"})
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
            return self._of_table(table, {})
        document = application_json.load(body)
        if isinstance(document, dict) and "inputs" in document:
            return self._of_message(request_from(document))
        parameters = _take_parameters(document)
        rows = partial(application_json.parse_document, document)
        return self._of_table(table_of(rows, len(body), self._requests.texts), parameters)

    def _of_table(self, table: BodyTable, parameters: Mapping[str, Any]) -> Inference:
        message = self._requests.request(table, {**parameters, "headers": self._headers})
        if self._accepted.outputs:
            names = dict.fromkeys(_V2_NAMES.get(name, name) for name in self._accepted.outputs)
            message.outputs = [v2_types.request_output(name) for name in names]
        runtime = self._model.runtime
        return Inference(
            self._model,
            None,
            len(table),
            runtime.seconds(len(table), ()),
            partial(runtime.infer, message),
            self._write_columns,
            table.n_bytes,
        )

    def _of_message(self, message: InferenceRequest) -> Inference:
        """Answer a V2 request as V2, or in another media type if Accept prefers one."""
        accepted = self._accepted
        if accepted.media_type == media_types.JSON and not accepted.is_chosen:
            write = partial(encode_infer, id_=message.id or new_id())
            return Inference.of_message(self._model, None, message, write)
        if accepted.outputs:
            names = dict.fromkeys(_V2_NAMES.get(name, name) for name in accepted.outputs)
            message.outputs = [v2_types.request_output(name) for name in names]
        return Inference.of_message(self._model, None, message, self._write_columns)

    def _write_columns(self, response: InferenceResponse) -> tuple[Headers, Iterable[bytes]]:
        try:
            columns = {output.name: _rows(array_of(output)) for output in response.outputs}
        except (ValueError, TypeError) as error:
            raise ModelFailed(
                f"the answer of model {self._model.name!r} is not a tensor: {error}"
            ) from error
        return self._write(columns)

    def _predictions(self, columns: Mapping[str, Column]) -> Predictions:
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) != 1:
            raise NotAcceptable(
                f"the model's outputs are not one table: they have {lengths} rows; choose one "
                f"with outputs= , or send the request to /v2/models/{self._model.name}/infer"
            )
        if not self._accepted.outputs:
            return Predictions(_renamed(columns))
        missing = [n for n in self._accepted.outputs if _V2_NAMES.get(n, n) not in columns]
        if missing:
            raise InvalidInput(
                f"output {format_value(missing[0])} was chosen; the model's answer has "
                f"{', '.join(columns)}"
            )
        chosen = {name: columns[_V2_NAMES.get(name, name)] for name in self._accepted.outputs}
        return Predictions(chosen, are_selected=True)


def _renamed(columns: Mapping[str, Column]) -> Mapping[str, Column]:
    """A prediction alone is called what it is called in the answers of this package's models."""
    if len(columns) != 1 or not _PREDICTIONS.issuperset(columns):
        return columns
    (column,) = columns.values()
    return {"score" if column.dtype.kind == "f" else "predicted_label": column}


def _rows(column: Column) -> Column:
    """One value for each row, or several."""
    if isinstance(column, np.ndarray):
        if column.ndim == 0:
            return column.reshape(1)
        if column.ndim == 2 and column.shape[1] == 1:
            return column[:, 0]
    return column


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
