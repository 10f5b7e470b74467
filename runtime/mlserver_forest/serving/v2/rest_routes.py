"""V2 over REST: inference, health, metadata, and the repository of models.

Some answers follow V2's clients where MLServer 1.7.1 differs: KServe's client reads
``{"live": true}`` and ``{"ready": true}`` from health routes that MLServer answers with an empty
body; ``tritonclient.http`` asks for the index with an empty body, which MLServer refuses, and
for a configuration, which only Triton has.
"""

from collections.abc import Mapping
from functools import partial
from html import escape
from typing import Any, NoReturn
from urllib.parse import quote

import orjson
from mlserver.types import RepositoryIndexRequest
from pydantic import BaseModel

from mlserver_forest.errors import InvalidInput, NotFound, format_value
from mlserver_forest.formats.text_encoding import without_mark
from mlserver_forest.serving.http.request import Request
from mlserver_forest.serving.http.response import Response, json_response
from mlserver_forest.serving.http.routes import Handler, Methods
from mlserver_forest.serving.pipeline import Inference
from mlserver_forest.serving.route_description import routes_of_v2
from mlserver_forest.serving.v2.handlers import V2Handlers
from mlserver_forest.serving.v2.passed_headers import add_headers
from mlserver_forest.serving.v2.rest_codec import (
    decode_document,
    encode_infer,
    new_id,
    read_document,
)
from mlserver_forest.serving.v2.rest_row import RESTRows

# The binary tensor extension: how many bytes of the body are JSON.
_HEADER_LENGTH = b"inference-header-content-length"
_MODELS = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
_HTML = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
)
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<h1>{title}</h1>
<p>The routes and their documents: <a href="{path}">OpenAPI description</a>.
"""


class V2Routes:
    """The routes below ``/v2``.

    Args:
        handlers: do what is asked.
        openapi: the description of all routes of the server.
    """

    def __init__(self, handlers: V2Handlers, openapi: Mapping[str, Any]) -> None:
        self._handlers = handlers
        self._rows = RESTRows()
        self._openapi = orjson.dumps(routes_of_v2(openapi))

    def table(self) -> Mapping[str, Methods]:
        """The routes, for ``Application``."""
        of_models: Mapping[str, tuple[str, Handler]] = {
            "/infer": ("POST", self._infer),
            "": ("GET", self._model_metadata),
            "/ready": ("GET", self._model_ready),
            "/config": ("GET", self._config),
            "/docs": ("GET", self._model_docs),
            "/docs/dataplane.json": ("GET", self._model_schema),
            "/generate": ("POST", self._generate),
            "/generate_stream": ("POST", self._stream),
            "/infer_stream": ("POST", self._stream),
        }
        return {
            "/v2": {"GET": self._metadata},
            "/v2/health/live": {"GET": self._live},
            "/v2/health/ready": {"GET": self._ready},
            "/v2/docs": {"GET": self._docs},
            "/v2/docs/dataplane.json": {"GET": self._schema},
            "/v2/repository/index": {"POST": self._index},
            "/v2/repository/models/{name}/load": {"POST": self._load},
            "/v2/repository/models/{name}/unload": {"POST": self._unload},
            **{
                model + route: {method: handler}
                for model in _MODELS
                for route, (method, handler) in of_models.items()
            },
        }

    async def _infer(self, request: Request, name: str, version: str | None = None) -> Response:
        def parse() -> Inference:
            chosen = self._handlers.models.choose(name, version)
            length, media_type = request.header(_HEADER_LENGTH), request.header(b"content-type")
            document, attached = read_document(request.take_body(), length, media_type)
            if attached is None and chosen.shadow is None:
                inference = self._rows.inference(document, chosen.model, version)
                if inference is not None:
                    return inference
            message, binary = decode_document(document, attached)
            if chosen.model.runtime.takes_headers:
                add_headers(message, request.headers)
            id_ = message.id or new_id()
            write = partial(encode_infer, id_=id_, binary=binary)
            return Inference.of_chosen(chosen, version, message, write, id_)

        await self._handlers.models.wait_for(name)
        headers, body = await self._handlers.pipeline.run(len(request.body), parse)
        request.model = name
        return Response(200, body, headers)

    async def _metadata(self, request: Request) -> Response:
        return _document(self._handlers.metadata())

    async def _model_metadata(
        self, request: Request, name: str, version: str | None = None
    ) -> Response:
        return _document(await self._handlers.model_metadata(name, version))

    async def _live(self, request: Request) -> Response:
        return _health("live", is_well=True)

    async def _ready(self, request: Request) -> Response:
        return _health("ready", is_well=self._handlers.is_ready())

    async def _model_ready(
        self, request: Request, name: str, version: str | None = None
    ) -> Response:
        is_ready = await self._handlers.is_model_ready(name, version)
        return _health("ready", is_well=is_ready, name=name)

    async def _index(self, request: Request) -> Response:
        question = RepositoryIndexRequest(ready=_wants_ready(request.take_body()))
        index = await self._handlers.index(question)
        return json_response(orjson.dumps([item.model_dump(mode="json") for item in index]))

    async def _load(self, request: Request, name: str) -> Response:
        await self._handlers.load(name, _parameters(request.take_body()))
        return Response(200)

    async def _unload(self, request: Request, name: str) -> Response:
        await self._handlers.unload(name, _parameters(request.take_body()))
        return Response(200)

    async def _docs(self, request: Request) -> Response:
        return _page("/v2/docs/dataplane.json", "Open Inference Protocol")

    async def _schema(self, request: Request) -> Response:
        return json_response(self._openapi)

    async def _model_docs(
        self, request: Request, name: str, version: str | None = None
    ) -> Response:
        await self._handlers.is_model_ready(name, version)
        path = request.path.decode("latin-1").rstrip("/")  # Percent-encoded, as it came.
        return _page(f"{path}/dataplane.json", f"Model {name}")

    async def _model_schema(
        self, request: Request, name: str, version: str | None = None
    ) -> Response:
        await self._handlers.is_model_ready(name, version)
        return json_response(self._openapi)

    async def _config(self, request: Request, name: str, version: str | None = None) -> NoReturn:
        raise NotFound(
            "only Triton has configurations of models; GET /v2/models/"
            f"{quote(name)} describes its inputs and outputs"
        )

    async def _generate(self, request: Request, name: str, version: str | None = None) -> Response:
        """The same as infer, as in MLServer, for models that may generate something."""
        await self._handlers.models.wait_for(name)
        if not self._handlers.models.get(name, version).runtime.is_awaited:
            await self._stream(request, name, version)
        return await self._infer(request, name, version)

    async def _stream(self, request: Request, name: str, version: str | None = None) -> NoReturn:
        raise NotFound(
            f"tables are not generated or streamed; POST to /v2/models/{quote(name)}/infer"
        )


def _wants_ready(body: bytes | bytearray) -> bool | None:
    """Whether only ready models are asked for, with ``{"ready": true}``, ``{}`` or nothing."""
    ready = _only_member(body, "ready", '{"ready": true}')
    if not isinstance(ready, bool | None):
        raise InvalidInput(f"ready: {format_value(ready)} came; expected true or false")
    return ready


def _parameters(body: bytes | bytearray) -> dict[str, Any]:
    """The ``parameters`` of a request to load or unload, whose body may be empty."""
    form = '{"parameters": {...}}'
    found = _only_member(body, "parameters", form) or {}
    if not isinstance(found, dict):
        raise _not_of_form(form, found)
    return found


def _only_member(body: bytes | bytearray, name: str, form: str) -> Any:
    """The value of the one member that a body may have; None if it is empty."""
    text = without_mark(body)
    try:
        found = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the body is not {form}, {{}} or empty") from error
    if not isinstance(found, dict) or found.keys() - {name}:
        raise _not_of_form(form, found)
    return found.get(name)


def _not_of_form(form: str, found: Any) -> InvalidInput:
    return InvalidInput(f"the body is not {form}, {{}} or empty: {format_value(found)} came")


def _health(kind: str, *, is_well: bool, **fields: str) -> Response:
    document = orjson.dumps({**fields, kind: is_well})
    return json_response(document, 200 if is_well else 400)


def _document(message: BaseModel) -> Response:
    fields = message.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    return json_response(orjson.dumps(fields))


def _page(path: str, title: str) -> Response:
    """A page with a link; MLServer's page loads scripts from elsewhere and escapes no names."""
    page = _PAGE.format(path=escape(path), title=escape(title))
    return Response(200, page.encode(), _HTML)
