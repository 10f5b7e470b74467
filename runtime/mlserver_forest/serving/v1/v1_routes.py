"""KServe's V1: the models, whether one is ready, and predictions and explanations in plain JSON.

``:predict`` answers as KServe's scikit-learn and XGBoost servers do, a value for each row, and
``:explain`` with what each feature contributed. Rows are read as those of /invocations are.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import orjson
from mlserver.types import InferenceResponse

from mlserver_forest.errors import (
    InvalidInput,
    NotReady,
    UnsupportedMediaType,
    UnsupportedOperation,
    printable,
)
from mlserver_forest.formats.decoding import RequestDecoder
from mlserver_forest.formats.json import application_json
from mlserver_forest.formats.json.json_objects import object_texts, value_texts
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.predictions import Column, Predictions
from mlserver_forest.model import named_outputs
from mlserver_forest.schema.output_names import CONTRIBUTIONS, EXPECTED_VALUE
from mlserver_forest.serving.http import media_types
from mlserver_forest.serving.http.request import CUSTOM_ATTRIBUTES, Request
from mlserver_forest.serving.http.response import JSON_HEADERS, Headers, Response, json_response
from mlserver_forest.serving.http.routes import Methods
from mlserver_forest.serving.models.body_kind import BodyKind
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.models.model_versions import Chosen
from mlserver_forest.serving.models.table_answer import chosen_columns, columns_of, requested
from mlserver_forest.serving.models.table_request import TableRequests
from mlserver_forest.serving.pipeline import Inference
from mlserver_forest.serving.sagemaker import output_selection
from mlserver_forest.serving.sagemaker.negotiated_table import request_of
from mlserver_forest.serving.v2.handlers import V2Handlers

if TYPE_CHECKING:
    from mlserver_forest.serving.models.foreign_runtime import ForeignRuntime

_ROWS, _ALSO_ROWS = "instances", "inputs"


@dataclass(frozen=True, slots=True)
class _Answer:
    """The form of an answer: the member that holds it, its outputs, and whether they are named."""

    member: str
    outputs: tuple[str, ...]
    is_named: bool


class V1Routes:
    """The routes below ``/v1``.

    Args:
        handlers: have the models and run requests.
    """

    def __init__(self, handlers: V2Handlers) -> None:
        self._handlers = handlers

    def table(self) -> Mapping[str, Methods]:
        """The routes, for ``Application``."""
        return {
            "/v1/models": {"GET": self._list},
            "/v1/models/{name}:predict": {"POST": self._predict},
            "/v1/models/{name}:explain": {"POST": self._explain},
            "/v1/models/{name}": {"GET": self._ready},
        }

    async def _list(self, request: Request) -> Response:
        models, _ = self._handlers.models.page("", sys.maxsize)
        return json_response(orjson.dumps({"models": list(models)}))

    async def _ready(self, request: Request, name: str) -> Response:
        if not await self._handlers.is_model_ready(name):
            raise NotReady(f"Model {printable(name)} is not ready; try again in a second")
        return json_response(orjson.dumps({"name": name, "ready": True}))

    async def _predict(self, request: Request, name: str) -> Response:
        chosen = output_selection.chosen(request.header(CUSTOM_ATTRIBUTES))
        return await self._answer(request, name, _Answer("predictions", chosen, bool(chosen)))

    async def _explain(self, request: Request, name: str) -> Response:
        outputs = (CONTRIBUTIONS, EXPECTED_VALUE)
        return await self._answer(request, name, _Answer("explanations", outputs, is_named=True))

    async def _answer(self, request: Request, name: str, answer: _Answer) -> Response:
        _check_content_type(request)
        await self._handlers.models.wait_for(name)
        chosen = self._handlers.models.choose(name)
        request.model = name
        headers, body = await self._handlers.pipeline.run(
            len(request.body), lambda: _of_chosen(request.take_body(), chosen, answer)
        )
        return Response(200, body, headers)


def _of_chosen(body: Body, chosen: Chosen[LoadedModel], answer: _Answer) -> Inference:
    inference, shadow = _inference(body, chosen.model, answer), chosen.shadow
    if shadow is not None:
        inference.shadow = shadow, lambda: _inference(body, shadow, answer)
    return inference


def _inference(body: Body, model: LoadedModel, answer: _Answer) -> Inference:
    if model.runtime.body_kind is not BodyKind.ROWS:
        return _table_inference(body, model, answer)
    schema = model.schema
    named_outputs.check_names(answer.outputs, schema)
    names = answer.outputs or named_outputs.default_names(schema, only_first=True)
    decoder = RequestDecoder(schema)
    document = _with_instances(application_json.load(body, decoder.json))
    rows = partial(application_json.parse_document, document, source=decoder.json)
    x = decoder.matrix(rows, len(body))
    write = partial(_write, model=model, names=names, answer=answer)
    return Inference.of_rows(model, x, named_outputs.v2_names(names, schema), write)


def _table_inference(body: Body, model: LoadedModel, answer: _Answer) -> Inference:
    """The inference of another library's runtime, which reads any table."""
    if model.runtime.body_kind is not BodyKind.TABLE:
        raise UnsupportedOperation(
            f"model {printable(model.name)} reads bodies as they come; send them to /invocations"
        )
    if CONTRIBUTIONS in answer.outputs:
        raise UnsupportedOperation(
            f"model {printable(model.name)} is of another library and does not explain its "
            "predictions; forest pack makes a model of it that does, if it is a tree ensemble"
        )
    requests = TableRequests.of(cast("ForeignRuntime", model.runtime))
    document = _with_instances(application_json.load(body))
    message = request_of(document, len(body), requests, {})
    if answer.outputs:
        message.outputs = requested(answer.outputs)
    write = partial(_write_table, model=model, answer=answer)
    return Inference.of_message(model, None, message, write)


def _with_instances(document: Any) -> Any:
    """The document with its rows under the one name; KServe reads both."""
    if not isinstance(document, dict) or _ALSO_ROWS not in document:
        return document
    if _ROWS in document:
        raise InvalidInput(f'the body has both "{_ROWS}" and "{_ALSO_ROWS}"; send "{_ROWS}" alone')
    return {_ROWS if name == _ALSO_ROWS else name: value for name, value in document.items()}


def _write_table(
    response: InferenceResponse, *, model: LoadedModel, answer: _Answer
) -> tuple[Headers, Iterable[bytes]]:
    """A value for each row, or an object if there are several outputs, or some were chosen."""
    columns: Mapping[str, Column] = columns_of(response, model.name)
    if answer.is_named:
        columns = chosen_columns(columns, answer.outputs)
    texts = object_texts if answer.is_named or len(columns) > 1 else value_texts
    return JSON_HEADERS, application_json.encode_as(answer.member, Predictions(columns), texts)


def _write(
    columns: Mapping[str, Column], *, model: LoadedModel, names: Sequence[str], answer: _Answer
) -> tuple[Headers, Iterable[bytes]]:
    predictions = named_outputs.predictions(names, columns, model.schema, selected=answer.is_named)
    texts = object_texts if answer.is_named else value_texts
    blocks: Iterator[bytes] = application_json.encode_as(answer.member, predictions, texts)
    return JSON_HEADERS, blocks


def _check_content_type(request: Request) -> None:
    """V1 is JSON, and clients may leave that out."""
    header = request.header(b"content-type")
    if header is not None and media_types.content_type(header).essence != media_types.JSON:
        raise UnsupportedMediaType(
            f"Content-Type {header!r}; V1 reads {media_types.JSON}, and /invocations other types"
        )
