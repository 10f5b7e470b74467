"""An invocation: decode, infer, encode."""

from mlserver.handlers import DataPlane

from mlserver_forest.serving import media_types, outputs
from mlserver_forest.serving.asgi import CUSTOM_ATTRIBUTES, Request, Response
from mlserver_forest.serving.models import Served
from mlserver_forest.serving.payloads import Wanted, decode_request
from mlserver_forest.serving.work import answer_within, encoded, has_few_rows, is_large, run


class Invocations:
    """``/invocations`` and ``/models/{name}/invoke``: decode, infer, encode.

    Args:
        data_plane: answers inference requests.
        default_accept: the answer's media type where a request leaves it open;
            None means the request's own family.
        default_outputs: the outputs where a request chooses none; empty means the
            media type's own.
        is_batch: whether SageMaker ends each answer with a newline.
        timeout_seconds: how long an answer may take.
    """

    def __init__(
        self,
        data_plane: DataPlane,
        *,
        default_accept: str | None,
        default_outputs: tuple[str, ...],
        is_batch: bool,
        timeout_seconds: float,
    ) -> None:
        self._data_plane = data_plane
        self._default_accept = default_accept
        self._default_outputs = default_outputs
        self._ends_with_newline = not is_batch
        self._timeout_seconds = timeout_seconds

    async def invoke(self, request: Request, model: Served) -> Response:
        """Answer one invocation."""
        request.model = model.name
        sent = media_types.content_type(request.header(b"content-type"))
        default = self._default_accept or media_types.answer_to(sent)
        accept = media_types.negotiate(request.header(b"accept"), default)
        chosen = outputs.chosen(request.header(CUSTOM_ATTRIBUTES))
        names = chosen or self._default_outputs
        wanted = Wanted(accept, names, chosen, self._ends_with_newline)
        large = is_large(request.body) or media_types.may_expand(sent)
        async with answer_within(self._timeout_seconds):
            invocation = await run(
                decode_request, request.take_body(), sent, wanted, model.schema, in_thread=large
            )
            encode, media_type = invocation.encode, invocation.media_type
            large = large and not has_few_rows(invocation.request)
            response = await self._data_plane.infer(invocation.request, model.name)
            del invocation  # Its rows make room for the answer.
            body = await encoded(encode(response), in_thread=large)
        return Response(200, body, ((b"content-type", media_type.encode()),))
