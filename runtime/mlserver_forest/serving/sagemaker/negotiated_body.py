"""Invocations of a runtime that reads bodies and writes responses itself, such as a script."""

from collections.abc import Iterable, Mapping
from functools import partial

from mlserver_forest.formats.matrix import Body
from mlserver_forest.serving.http.response import Headers
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.models.raw_answer import RawAnswer
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

    def parse(self, body: Body, headers: Mapping[bytes, bytes]) -> Inference:
        """Hand the body to the runtime."""
        runtime: RawRuntime = self._model.runtime  # type: ignore[assignment]  # its body_kind
        infer = partial(
            runtime.answer_body,
            bytes(body),
            self._headers.content_type,
            self._accept,
            {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()},
        )
        return Inference(self._model, None, 1, runtime.seconds(1, ()), infer, _write)


def _write(answer: RawAnswer) -> tuple[Headers, Iterable[bytes]]:
    return answer.wire_headers, (answer.body,)
