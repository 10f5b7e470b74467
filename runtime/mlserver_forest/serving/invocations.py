"""An invocation: decode, infer, encode."""

from dataclasses import dataclass
from functools import lru_cache

from mlserver.handlers import DataPlane

from mlserver_forest.serving import media_types, outputs
from mlserver_forest.serving.asgi import CUSTOM_ATTRIBUTES, Request, Response
from mlserver_forest.serving.media_types import MediaType
from mlserver_forest.serving.models import Served
from mlserver_forest.serving.payloads import Wanted, decode_request
from mlserver_forest.serving.work import Work, encoded, has_few_rows, is_large, run

# Clients send the same few headers again and again.
_MOST_KEPT = 256
_LONGEST_KEPT = 512


@dataclass(frozen=True, slots=True)
class Terms:
    """What the headers of an invocation say: what came, and what is wanted."""

    sent: MediaType
    wanted: Wanted
    may_expand: bool


class Invocations:
    """``/invocations`` and ``/models/{name}/invoke``: decode, infer, encode.

    Args:
        data_plane: answers inference requests.
        work: admits large requests.
        default_accept: the answer's media type where a request leaves it open;
            None means the request's own family.
        default_outputs: the outputs where a request chooses none; empty means the
            media type's own.
        is_batch: whether SageMaker ends each answer with a newline.
    """

    def __init__(
        self,
        data_plane: DataPlane,
        work: Work,
        *,
        default_accept: str | None,
        default_outputs: tuple[str, ...],
        is_batch: bool,
    ) -> None:
        self._data_plane = data_plane
        self._work = work
        self._default_accept = default_accept
        self._default_outputs = default_outputs
        self._ends_with_newline = not is_batch
        self._kept_terms = lru_cache(_MOST_KEPT)(self._terms)

    async def invoke(self, request: Request, model: Served) -> Response:
        """Answer one invocation."""
        request.model = model.name
        terms = self._terms_of(request)
        if is_large(request.body):
            async with self._work.large():
                return await self._invoke_in_threads(request, terms, model)
        if terms.may_expand:
            return await self._invoke_in_threads(request, terms, model)
        invocation = decode_request(request.take_body(), terms.sent, terms.wanted, model.schema)
        response = await self._data_plane.infer(invocation.request, model.name)
        return Response(200, b"".join(invocation.encode(response)), invocation.headers)

    async def _invoke_in_threads(self, request: Request, terms: Terms, model: Served) -> Response:
        invocation = await run(
            decode_request, request.take_body(), terms.sent, terms.wanted, model.schema
        )
        encode, headers = invocation.encode, invocation.headers
        is_short = has_few_rows(invocation.request)
        response = await self._data_plane.infer(invocation.request, model.name)
        del invocation  # Its rows make room for the answer.
        blocks = encode(response)
        return Response(200, b"".join(blocks) if is_short else await encoded(blocks), headers)

    def _terms_of(self, request: Request) -> Terms:
        headers = request.headers
        found = (
            headers.get(b"content-type"),
            headers.get(b"accept"),
            headers.get(CUSTOM_ATTRIBUTES),
        )
        if sum(len(value) for value in found if value) > _LONGEST_KEPT:
            return self._terms(*found)
        return self._kept_terms(*found)

    def _terms(
        self, content_type: bytes | None, accept: bytes | None, attributes: bytes | None
    ) -> Terms:
        sent = media_types.content_type(_text(content_type))
        default = self._default_accept or media_types.answer_to(sent)
        media_type = media_types.negotiate(_text(accept), default)
        chosen = outputs.chosen(_text(attributes))
        wanted = Wanted(
            media_type, chosen or self._default_outputs, chosen, self._ends_with_newline
        )
        return Terms(sent, wanted, media_types.may_expand(sent))


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")
