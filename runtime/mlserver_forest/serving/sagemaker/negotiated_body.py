"""Invocations of a runtime that reads bodies and writes responses itself, such as a script."""

from collections.abc import Iterable
from functools import partial

from mlserver_forest.formats.matrix import Body
from mlserver_forest.serving.http.response import Headers
from mlserver_forest.serving.models.loaded_models import LoadedModel
from mlserver_forest.serving.models.runtime_interface import RawRuntime
from mlserver_forest.serving.pipeline import Inference
from mlserver_forest.serving.sagemaker.invocation_headers import (
    InvocationDefaults,
    InvocationHeaders,
)


class NegotiatedBody:
    """A request whose body and media types reach the runtime as they came.

    Args:
        headers: of the request.
        defaults: what the operator has set.
        model: the model, whose runtime is a ``RawRuntime``.

    Attributes:
        may_expand: see ``negotiation.Negotiated``.
    """

    may_expand = False

    def __init__(
        self, headers: InvocationHeaders, defaults: InvocationDefaults, model: LoadedModel
    ) -> None:
        self._headers = headers
        self._accept = headers.accept or defaults.accept
        self._model = model

    def parse(self, body: Body) -> Inference:
        """Hand the body to the runtime."""
        runtime: RawRuntime = self._model.runtime  # type: ignore[assignment]  # its body_kind
        infer = partial(
            runtime.answer_body,
            bytes(body),
            self._headers.content_type,
            self._accept,
            self._headers.custom_attributes,
        )
        return Inference(self._model, None, 1, runtime.seconds(1, ()), infer, _write)


def _write(answer: tuple[bytes, str]) -> tuple[Headers, Iterable[bytes]]:
    body, media_type = answer
    return ((b"content-type", media_type.encode("latin-1", "replace")),), (body,)
