"""A model whose code answers raw bodies: what scripts and multi-model-server's handlers share.

The code of a model runs in a thread of its own, one request at a time: AWS's images give it a
process that does one thing after the other, and much of it relies on that.
"""

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any

from mlserver import MLModel, ModelSettings
from mlserver.types import InferenceRequest, InferenceResponse
from threadpoolctl import threadpool_limits

from mlserver_forest.environment import limit_native_threads
from mlserver_forest.errors import (
    ForestError,
    InvalidArtifact,
    InvalidInput,
    ModelFailed,
    ModelNotFound,
    format_error,
)
from mlserver_forest.serving.http.response import error_body
from mlserver_forest.serving.models.body_kind import BodyKind
from mlserver_forest.serving.models.calls_in_flight import CallsInFlight
from mlserver_forest.serving.models.foreign_runtime import as_mlserver_sends
from mlserver_forest.serving.models.raw_answer import AnsweredOtherwise, RawAnswer
from mlserver_forest.serving.scripts.code_layout import (
    CODE_KEY,
    REQUIREMENTS_FILE,
    CodeSettings,
    FoundCode,
    find_code,
)
from mlserver_forest.serving.scripts.default_codecs import JSON
from mlserver_forest.serving.scripts.request_context import RequestContext
from mlserver_forest.serving.scripts.script_modules import ScriptModules
from mlserver_forest.serving.scripts.script_requirements import missing_requirements
from mlserver_forest.serving.tracing.request_id import current_request_id

logger = logging.getLogger(__name__)

# How many answers the running mean of their seconds remembers, roughly.
_SMOOTHING = 8
_OK = 200
_SERVER_FAULT = 500
_ERRORS = range(400, 600)


class CodeModel(MLModel):
    """Runs a model's own code. The operator has said that it is trusted.

    Args:
        settings: ``uri`` is the model directory.
        calls: notes that the model is being asked, in case that the process dies of it.
        n_threads: the threads that a library may use in this process; None for its own number.

    Attributes:
        body_kind: see ``loaded_models.Runtime``, and so are the following.
        code: where the code lies.
    """

    body_kind = BodyKind.RAW
    is_immediate = False
    is_awaited = True
    takes_headers = True
    new_observed = None

    code: FoundCode

    def __init__(
        self,
        settings: ModelSettings,
        calls: CallsInFlight | None = None,
        n_threads: int | None = None,
    ) -> None:
        super().__init__(settings)
        self._n_threads = n_threads
        self._calls = calls
        self._seconds = 0.0
        self._modules = ScriptModules(())
        self._directory = Path(settings.parameters.uri)
        self._code_settings = CodeSettings(
            **((settings.parameters.extra or {}).get(CODE_KEY) or {})
        )
        self._thread = ThreadPoolExecutor(1, f"code of {settings.name}"[:15])

    async def load(self) -> bool:
        """Import the code and let it load its model.

        Raises:
            InvalidArtifact: if it is not there, or raises an error, which is logged.
        """
        try:
            await self._in_thread(self._load)
        except BaseException:  # A load that takes too long is cancelled.
            self._forget()
            raise
        return True

    async def unload(self) -> bool:
        """Forget the code; a request that it is answering is answered."""
        self._forget()
        return True

    def seconds(self, n_rows: int, names: Sequence[str]) -> float:
        """How long the last answers took."""
        return self._seconds

    async def answer_body(
        self,
        body: bytes,
        content_type: str | None,
        accept: str | None,
        headers: Mapping[str, str],
    ) -> RawAnswer:
        """Answer a body, as ``loaded_models.RawRuntime`` describes it.

        Raises:
            RequestError: if the code refuses the request.
            AnsweredOtherwise: if the code decides on another status than 200.
            ModelFailed: if the code raises anything else, which is logged.
        """
        context = self._context(headers)
        answer: RawAnswer = await self._in_thread(self._answer, body, content_type, accept, context)
        if answer.status != _OK:
            raise AnsweredOtherwise(answer)
        return answer

    async def infer(self, request: InferenceRequest) -> InferenceResponse:
        """Answer a V2 request.

        Raises:
            RequestError: if the code refuses it, or has no function for decoded tensors.
            ModelFailed: if the code raises anything else, which is logged.
        """
        sent = getattr(request.parameters, "headers", None) or {}
        context = self._context({name.lower(): str(value) for name, value in sent.items()})
        response: InferenceResponse = await self._in_thread(
            self._answer_tensors, as_mlserver_sends(request), context
        )
        return response

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The same, for MLServer."""
        return await self.infer(payload)

    def _provided(self) -> Mapping[str, ModuleType]:
        """Modules that the code may import although they are not installed."""
        return {}

    @abstractmethod
    def _start(self, context: RequestContext) -> None:
        """Import the module and load the model, in the model's thread."""

    @abstractmethod
    def _respond(
        self, body: bytes, content_type: str | None, accept: str | None, context: RequestContext
    ) -> RawAnswer:
        """Answer a body, in the model's thread."""

    @abstractmethod
    def _infer(self, request: InferenceRequest, context: RequestContext) -> InferenceResponse:
        """Answer a V2 request, in the model's thread."""

    def _load(self) -> None:
        found = find_code(self._directory, self._code_settings)
        if found is None:
            raise InvalidArtifact(f"the code that was in {self._directory} is not there any more")
        self.code = found
        self._modules = ScriptModules(found.folders, provided=self._provided())
        self._report(found)
        if self._n_threads is not None:
            limit_native_threads(self._n_threads)
        try:
            with self._modules.imported():
                self._start(self._context({}))
            threadpool_limits(self._n_threads)  # OpenMP keeps the number for each thread.
        except ForestError:
            self._modules.unload()
            raise
        except BaseException as error:
            self._modules.unload()
            logger.exception("the code of model %r could not be loaded", self.name)
            raise InvalidArtifact(
                f"{found.file} failed while it loaded the model ({format_error(error)}); the log "
                f"has the traceback{self._advice(error)}"
            ) from error

    def _forget(self) -> None:
        """End the thread when it has done what it is at, and forget the modules."""
        self._thread.submit(self._unload_modules)
        self._thread.shutdown(wait=False)

    def _unload_modules(self) -> None:
        self._modules.unload()

    def _import(self) -> Any:
        return self._modules.load(self.code.module)

    def _report(self, code: FoundCode) -> None:
        """Log what the code may miss; nothing is installed."""
        for folder in dict.fromkeys((*code.folders, code.file.parent)):
            path = folder / REQUIREMENTS_FILE
            if missing := missing_requirements(path):
                logger.warning(
                    "model %r: %s asks for %s; nothing is installed at start: install it in the "
                    "image, with pip install -r %s",
                    self.name, path, "; ".join(missing), path,
                )  # fmt: skip
        if self._modules.hidden:
            logger.warning(
                "model %r: %s are the server's own modules to the code, not the files of these "
                "names beside it; rename the files if they are meant",
                self.name, ", ".join(sorted(self._modules.hidden)),
            )  # fmt: skip

    def _advice(self, error: BaseException) -> str:
        if isinstance(error, ModuleNotFoundError):
            return f"; install the module {error.name} in the image"
        return ""

    def _answer(
        self, body: bytes, content_type: str | None, accept: str | None, context: RequestContext
    ) -> RawAnswer:
        try:
            return self._respond(body, content_type, accept, context)
        except ForestError:
            raise
        except BaseException as error:  # code may raise anything
            status = _status_of(error)
            if status is None:
                raise self._failed(error) from error
            logger.warning("model %r answers %d: %s", self.name, status, format_error(error))
            return RawAnswer(error_body(_message_of(error)), JSON, status)

    def _answer_tensors(
        self, request: InferenceRequest, context: RequestContext
    ) -> InferenceResponse:
        try:
            return self._infer(request, context)
        except ForestError:
            raise
        except BaseException as error:  # code may raise anything
            status = _status_of(error)
            if status is not None and status < _SERVER_FAULT:
                raise InvalidInput(_message_of(error)) from error
            raise self._failed(error) from error

    def _failed(self, error: BaseException) -> ModelFailed:
        reason = format_error(error)
        logger.error("the code of model %r failed: %s", self.name, reason, exc_info=error)
        return ModelFailed(f"the model {self.name!r} failed on this request; the log says why")

    def _context(self, headers: Mapping[str, str]) -> RequestContext:
        manifest = self.code.manifest if hasattr(self, "code") else None
        id_ = current_request_id() if headers else None
        return RequestContext(self.name, str(self._directory), manifest, headers, id_)

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run code in the model's thread; a call that is cancelled while it waits never begins."""
        call = partial(copy_context().run, self._noted, function, *arguments)
        began = perf_counter()
        try:
            work = asyncio.get_running_loop().run_in_executor(self._thread, call)
        except RuntimeError as error:  # The model was unloaded meanwhile.
            raise ModelNotFound(self.name) from error
        try:
            found = await work
        except asyncio.CancelledError:
            logger.warning(
                "nobody waits any more for an answer of model %r; if its code is at work on it, "
                "other requests to the model wait until it is done",
                self.name,
            )
            raise
        self._seconds += (perf_counter() - began - self._seconds) / _SMOOTHING
        return found

    def _noted(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if self._calls is None:
            return function(*arguments)
        with self._calls.of(self.name, is_loading=function == self._load):
            return function(*arguments)


def _message_of(error: BaseException) -> str:
    return str(getattr(error, "message", None) or error)


def _status_of(error: BaseException) -> int | None:
    """The HTTP status of an error of AWS's toolkits.

    They are sagemaker-inference's BaseInferenceToolkitError and multi-model-server's
    PredictionException.
    """
    for name in ("status_code", "error_code"):
        status = getattr(error, name, None)
        if isinstance(status, int) and status in _ERRORS:
            return int(status)
    return None
