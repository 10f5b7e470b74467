"""What the pipeline needs from a model, whoever wrote its runtime."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from mlserver.types import InferenceRequest, MetadataModelResponse
from numpy.typing import NDArray

from mlserver_forest.serving.models.body_kind import BodyKind
from mlserver_forest.serving.models.served_settings import ServedSettings


class Runtime(Protocol):
    """What the pipeline needs from a model.

    Attributes:
        body_kind: what ``/invocations`` makes of a body.
        is_immediate: whether short answers may be computed in the event loop.
        is_awaited: whether ``infer`` and ``answer`` return awaitables; otherwise they compute, in
            a thread if ``is_immediate`` does not say otherwise.
        takes_headers: whether ``infer`` wants the headers of an HTTP request, or the metadata of
            a call, in ``parameters.headers``, as MLServer passes them.
    """

    body_kind: BodyKind
    is_immediate: bool
    is_awaited: bool
    takes_headers: bool

    @property
    def new_observed(self) -> Callable[[], Any] | None:
        """Makes what keeps a request and its answer for the request log.

        ``infer`` and ``answer`` call its ``add``, which they take as a last argument. None if only
        the runtime understands the bodies that it reads.
        """

    def seconds(self, n_rows: int, names: Sequence[str]) -> float:
        """How long an answer with these outputs may take, to the order of magnitude."""

    def infer(self, request: InferenceRequest) -> Any:
        """Answer a V2 request with an ``InferenceResponse``; raises InvalidInput."""

    def answer(self, x: NDArray[Any], names: Sequence[str]) -> Any:
        """The outputs for rows, columns by name; raises InvalidInput.

        Only runtimes whose ``body_kind`` is ROWS have it.
        """

    async def metadata(self) -> MetadataModelResponse:
        """What the model says about its inputs and outputs."""

    async def unload(self) -> bool:
        """Free what the model holds; it is not asked any more."""


class ServedModel(Protocol):
    """What the server needs to know about a model; MLServer's ``MLModel`` has it.

    Attributes:
        ready: whether it can be asked.
    """

    ready: bool

    @property
    def name(self) -> str:
        """The name in its settings."""

    @property
    def version(self) -> str | None:
        """The version, if its settings name one."""

    @property
    def settings(self) -> ServedSettings:
        """Its settings."""


class RawRuntime(Protocol):
    """What the pipeline needs from a runtime whose ``body_kind`` is RAW, besides ``Runtime``."""

    def seconds(self, n_rows: int, names: Sequence[str]) -> float:
        """As in ``Runtime``."""

    def answer_body(
        self,
        body: bytes,
        content_type: str | None,
        accept: str | None,
        headers: Mapping[str, str],
    ) -> Any:
        """Answer a body.

        Args:
            body: as it came.
            content_type: the header, None if it is absent.
            accept: the header, or what the operator has set for requests without it.
            headers: all headers of the request, by name in lower case.

        Returns:
            A ``RawAnswer``, or an awaitable of one.

        Raises:
            AnsweredOtherwise: if the status of the answer is not 200.
        """
