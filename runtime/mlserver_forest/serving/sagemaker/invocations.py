"""An invocation: decode, infer, encode."""

from dataclasses import dataclass
from functools import lru_cache

from mlserver_forest.serving.http import media_types
from mlserver_forest.serving.http.asgi import CUSTOM_ATTRIBUTES, Request, Response
from mlserver_forest.serving.http.media_types import MediaType
from mlserver_forest.serving.models.loaded_models import Served
from mlserver_forest.serving.process.offload import (
    Work,
    encoded,
    has_few_rows,
    is_large,
    run,
    seconds_for,
)
from mlserver_forest.serving.sagemaker import outputs
from mlserver_forest.serving.sagemaker.one_row import OneRow, one_row
from mlserver_forest.serving.sagemaker.payloads import Plan, Wanted, decode_request, plan_of
from mlserver_forest.serving.v2.data_plane import GuardedDataPlane

# Clients send the same few headers again and again.
_MOST_KEPT = 256
_LONGEST_KEPT = 512


@dataclass(frozen=True, slots=True)
class Terms:
    """What the headers of an invocation say: what came, what is wanted, and how to write it."""

    sent: MediaType
    wanted: Wanted
    plan: Plan
    one_row: OneRow | None
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
        data_plane: GuardedDataPlane,
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
        terms = self._terms_of(request, model)
        if is_large(len(request.body)):
            async with self._work.large(seconds_for(len(request.body))):
                return await self._invoke_in_threads(request, terms, model)
        if terms.may_expand:
            return await self._invoke_in_threads(request, terms, model)
        if terms.one_row:
            x = terms.one_row.matrix(request.body)
            found = x is not None and await self._data_plane.predict_row(x, model.name)
            if found:
                return Response(200, terms.one_row.write(found[1]), terms.plan.headers)
        inputs, plan = decode_request(
            request.take_body(), terms.sent, terms.wanted, terms.plan, model.schema
        )
        response = await self._data_plane.infer(inputs, model.name)
        return Response(200, b"".join(plan.encode(response)), plan.headers)

    async def _invoke_in_threads(self, request: Request, terms: Terms, model: Served) -> Response:
        inputs, plan = await run(
            decode_request, request.take_body(), terms.sent, terms.wanted, terms.plan, model.schema
        )
        is_short = has_few_rows(inputs)
        response = await self._data_plane.infer(inputs, model.name)
        del inputs  # Its rows make room for the answer.
        blocks = plan.encode(response)
        return Response(200, b"".join(blocks) if is_short else await encoded(blocks), plan.headers)

    def _terms_of(self, request: Request, model: Served) -> Terms:
        get = request.headers.get
        sent, accept, attributes = get(b"content-type"), get(b"accept"), get(CUSTOM_ATTRIBUTES)
        length = len(sent or b"") + len(accept or b"") + len(attributes or b"")
        terms = self._terms if length > _LONGEST_KEPT else self._kept_terms
        return terms(sent, accept, attributes, model)

    def _terms(
        self,
        content_type: bytes | None,
        accept: bytes | None,
        attributes: bytes | None,
        model: Served,
    ) -> Terms:
        sent = media_types.content_type(_text(content_type))
        default = self._default_accept or media_types.answer_to(sent)
        media_type = media_types.negotiate(_text(accept), default)
        chosen = outputs.chosen(_text(attributes))
        names = chosen or self._default_outputs
        wanted = Wanted(media_type, names, chosen, self._ends_with_newline)
        plan = plan_of(wanted, model.schema)
        short = None if names else one_row(sent, media_type, model.schema, self._ends_with_newline)
        return Terms(sent, wanted, plan, short, media_types.format_of(sent.essence).may_expand)


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")
