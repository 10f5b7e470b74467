"""multi-model-server's handlers as a runtime: the one that ``MAR-INF/MANIFEST.json`` names.

As in ``mms/model_loader.py`` (1.1), the handler is the function that the manifest names, or
``handle``, which is called with None while the model is loaded; or else the one class of the
module, of which an instance is initialized with the context.
"""

import inspect
from collections.abc import Callable, Mapping
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from mlserver.types import InferenceRequest, InferenceResponse

from mlserver_forest.errors import InvalidArtifact, UnsupportedOperation
from mlserver_forest.serving.models.raw_answer import RawAnswer, as_body
from mlserver_forest.serving.scripts.code_model import CodeModel
from mlserver_forest.serving.scripts.request_context import RequestContext

_CONTENT_TYPE = "content-type"
# multi-model-server's, of answers that are not text.
_INDENT = 2
_DEFAULT_FUNCTION = "handle"


class PredictionException(Exception):
    """``mms.service.PredictionException``, by which a handler chooses the status of its answer."""

    def __init__(self, message: str, error_code: int = 500) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = error_code


class HandlerModel(CodeModel):
    """Runs a handler, with batches of one request."""

    def _provided(self) -> Mapping[str, ModuleType]:
        # Another handler's modules of this name may be imported, so only the disk is asked.
        if PathFinder.find_spec("mms") is not None:
            return {}
        package, service = ModuleType("mms"), ModuleType("mms.service")
        service.PredictionException = PredictionException  # type: ignore[attr-defined]
        package.service = service  # type: ignore[attr-defined]
        package.__path__ = []
        for module in (package, service):
            module.__spec__ = ModuleSpec(module.__name__, None)
        return {"mms": package, "mms.service": service}

    def _start(self, context: RequestContext) -> None:
        self._handle = _entry_point(self._import(), self.code.function, context)

    def _respond(
        self, body: bytes, content_type: str | None, accept: str | None, context: RequestContext
    ) -> RawAnswer:
        found = self._handle([{"body": body}], context)
        if not isinstance(found, list) or len(found) != 1:
            came = f"{len(found)} values" if isinstance(found, list) else type(found).__name__
            raise TypeError(f"the handler returned {came}; expected a list of one value")
        headers = {name.lower(): value for name, value in context.get_response_headers(0).items()}
        status, _ = context.get_response_status(0)
        media_type = headers.pop(_CONTENT_TYPE, None)
        return RawAnswer(as_body(found[0], _INDENT), media_type, status, headers)

    def _infer(self, request: InferenceRequest, context: RequestContext) -> InferenceResponse:
        raise UnsupportedOperation(
            f"model {self.name!r} is a handler for multi-model-server, which reads bodies itself, "
            "so tensors cannot be handed to it; POST the body to /invocations"
        )


def _entry_point(
    module: ModuleType, function: str | None, context: RequestContext
) -> Callable[[list[Any] | None, RequestContext], Any]:
    """What is called for each request; it is initialized here.

    Raises:
        InvalidArtifact: if the module has neither the function nor one class with ``handle``.
    """
    handle = getattr(module, function or _DEFAULT_FUNCTION, None)
    if handle is not None:
        handle(None, context)
        return handle  # type: ignore[no-any-return]  # the user's function
    classes = [
        found
        for _, found in inspect.getmembers(module, inspect.isclass)
        if found.__module__ == module.__name__
    ]
    if len(classes) != 1 or not hasattr(classes[0], _DEFAULT_FUNCTION):
        raise InvalidArtifact(
            f"{module.__name__} has no function {function or _DEFAULT_FUNCTION}(data, context), "
            f"and {len(classes)} classes; expected the function, or one class with handle"
        )
    service: Any = classes[0]()
    initialize = getattr(service, "initialize", None)
    if initialize is not None:
        initialize(context)
    return service.handle  # type: ignore[no-any-return]  # the user's method
