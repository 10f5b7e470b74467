"""``/invocations`` and ``/models/{name}/invoke``: the routes that SageMaker sends rows to."""

from functools import partial

from mlserver_forest.serving.http.request import CUSTOM_ATTRIBUTES, Request
from mlserver_forest.serving.http.response import Response
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.models.model_versions import Chosen
from mlserver_forest.serving.models.raw_answer import AnsweredOtherwise
from mlserver_forest.serving.pipeline import Inference, Pipeline
from mlserver_forest.serving.sagemaker.invocation_headers import (
    InvocationDefaults,
    InvocationHeaders,
)
from mlserver_forest.serving.sagemaker.negotiation import Negotiated, negotiate

# Clients send the same few combinations of headers again and again.
_MOST_CACHED = 256
_LONGEST_CACHED = 512


class Invocations:
    """Answers invocations.

    Args:
        pipeline: runs requests.
        default_accept: the media type of responses to requests without a preference; None for
            that of the request.
        default_outputs: the outputs for requests that do not choose any; empty for the media
            type's default.
        is_batch: whether SageMaker adds a newline to each response.
        is_mlflow: whether requests and answers have the shapes of MLflow's scoring server.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        default_accept: str | None,
        default_outputs: tuple[str, ...],
        is_batch: bool,
        is_mlflow: bool = False,
    ) -> None:
        self._pipeline = pipeline
        self._defaults = InvocationDefaults(
            default_accept, default_outputs, ends_with_newline=not is_batch, is_mlflow=is_mlflow
        )

    async def invoke(self, request: Request, chosen: Chosen[LoadedModel]) -> Response:
        """Answer one invocation.

        Args:
            request: the request.
            chosen: the model that answers, and its shadow.

        Raises:
            ForestError: if it cannot be answered.
        """
        model, shadow = chosen.model, chosen.shadow
        request.model = model.name
        negotiated = self._negotiated(request, model)
        parse = lambda: negotiated.parse(request.take_body(), request.headers)  # noqa: E731
        if shadow is not None:
            parse = partial(self._parse_for_both, request, negotiated, shadow)
        try:
            headers, body = await self._pipeline.run(
                len(request.body), parse, may_expand=negotiated.may_expand
            )
        except AnsweredOtherwise as other:
            return Response(other.answer.status, other.answer.body, other.answer.wire_headers)
        return Response(200, body, headers)

    def _parse_for_both(
        self, request: Request, negotiated: Negotiated, shadow: LoadedModel
    ) -> Inference:
        body, headers = request.take_body(), request.headers
        inference = negotiated.parse(body, headers)
        inference.shadow = shadow, lambda: self._negotiated(request, shadow).parse(body, headers)
        return inference

    def _negotiated(self, request: Request, model: LoadedModel) -> Negotiated:
        get = request.headers.get
        sent, accept, attributes = get(b"content-type"), get(b"accept"), get(CUSTOM_ATTRIBUTES)
        length = len(sent or b"") + len(accept or b"") + len(attributes or b"")
        if length > _LONGEST_CACHED:
            return self._negotiate(sent, accept, attributes, model)
        key, cached = (sent, accept, attributes), model.negotiated
        found: Negotiated | None = cached.get(key)
        if found is None:
            if len(cached) >= _MOST_CACHED:
                cached.clear()
            found = cached[key] = self._negotiate(sent, accept, attributes, model)
        return found

    def _negotiate(
        self,
        content_type: bytes | None,
        accept: bytes | None,
        attributes: bytes | None,
        model: LoadedModel,
    ) -> Negotiated:
        headers = InvocationHeaders(_text(content_type), _text(accept), _text(attributes))
        return negotiate(headers, self._defaults, model)


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")
