"""The one path of a request: bytes are parsed, the model infers, the answer is written.

SageMaker's routes, V2 over REST and V2 over gRPC call ``Pipeline.run``. It alone decides what
happens in the event loop and what in a thread, which requests are admitted, how long they may
take, and whether an answer is sent whole or block by block.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    suppress,
)
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from math import prod
from time import perf_counter
from typing import Any

from mlserver.types import InferenceRequest
from numpy.typing import NDArray

from mlserver_forest import cancellation
from mlserver_forest.errors import PayloadTooLarge, TimedOut
from mlserver_forest.serving.http.content_codings import Deflation, Inflation
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.models.model_versions import Chosen
from mlserver_forest.serving.models.runtime import LONG_SECONDS
from mlserver_forest.serving.process.admission import PLACES, Admission
from mlserver_forest.serving.process.loop_iteration import LoopIteration
from mlserver_forest.serving.process.memory_budget import MemoryBudget, Reservation
from mlserver_forest.serving.request_log.request_log import RequestLog
from mlserver_forest.serving.shadow_versions import ShadowVersions

Headers = tuple[tuple[bytes, bytes], ...]

# Longer bodies are handled in a thread: decoding this much takes about a millisecond.
SMALL_BODY_BYTES = 1 << 16
# CSV against a forest of a hundred deep trees takes about this long.
_SECONDS_PER_BYTE = 3e-8
# How many times as long text of numbers usually becomes when it is decompressed.
_USUAL_INFLATION = 8
# Longer answers are compressed in a thread, and shorter ones would not become shorter by enough.
_QUICKLY_COMPRESSED_BYTES = 1 << 14
WORTH_COMPRESSING_BYTES = 1 << 10
# The answer for this many rows is written quickly enough for the event loop.
_FEW_ROWS = 1000
_BYTES_PER_VALUE = 8
# Threads for large requests, and for the answers to earlier ones at the same time.
N_THREADS = PLACES + 2
# The niceness of these threads, so that the system runs the event loop first.
_NICENESS = 5


Write = Callable[[Any], tuple[Headers, Iterable[bytes]]]


@dataclass(slots=True)
class Inference:
    """A request that was parsed.

    Attributes:
        model: the model that answers.
        version: the version of the model, if the request names one.
        n_rows: the number of rows in the request.
        seconds: how long the model may work, to the order of magnitude.
        infer: returns the model's answer; called once, perhaps in a thread. The runtime of a forest
            takes a function that is called with each block of rows and its prediction.
        write: turns an answer into the headers and the body of the response. The body may be an
            iterator of blocks.
        n_bytes: the memory that the rows take.
        id: the id of the response, if it has one.
        shadow: the shadow version, if there is one, and what makes its inference of the same rows.
    """

    model: LoadedModel
    version: str | None
    n_rows: int
    seconds: float
    infer: Callable[..., Any]
    write: Write
    n_bytes: int = 0
    id: str | None = None
    shadow: "tuple[LoadedModel, Callable[[], Inference]] | None" = None

    @classmethod
    def of_message(
        cls,
        model: LoadedModel,
        version: str | None,
        message: InferenceRequest,
        write: Write,
        id_: str | None = None,
    ) -> "Inference":
        """The inference for a V2 request; the answer is an ``InferenceResponse``."""
        shape = message.inputs[0].shape if message.inputs else []
        n_rows = shape[0] if shape else 1
        names = [output.name for output in message.outputs or ()]
        seconds = model.runtime.seconds(n_rows, names)
        n_values = sum(prod(tensor.shape) for tensor in message.inputs)
        infer, n_bytes = partial(model.runtime.infer, message), n_values * _BYTES_PER_VALUE
        return cls(model, version, n_rows, seconds, infer, write, n_bytes, id_)

    @classmethod
    def of_chosen(
        cls,
        chosen: Chosen[LoadedModel],
        version: str | None,
        message: InferenceRequest,
        write: Write,
        id_: str | None,
    ) -> "Inference":
        """The inference for a V2 request that a shadow version may get, too."""
        inference = cls.of_message(chosen.model, version, message, write, id_)
        if chosen.shadow is not None:
            parse = partial(cls.of_message, chosen.shadow, None, message, write, id_)
            inference.shadow = chosen.shadow, parse
        return inference

    @classmethod
    def of_rows(
        cls, model: LoadedModel, x: NDArray[Any], names: Sequence[str], write: Write
    ) -> "Inference":
        """The inference for rows that conform to the schema; the answer is columns by output."""
        n_rows, runtime = len(x), model.runtime
        seconds = runtime.seconds(n_rows, names)
        infer = partial(runtime.answer, x, names)
        return cls(model, None, n_rows, seconds, infer, write, x.size * _BYTES_PER_VALUE)


Parse = Callable[[], Inference]
Body = bytes | AsyncIterator[bytes]


def is_large(n_bytes: int) -> bool:
    """Whether work on a body of this length would keep other requests waiting."""
    return n_bytes > SMALL_BODY_BYTES


class Pipeline:
    """Runs requests.

    Args:
        admission: refuses requests that would be answered too late.
        memory: refuses bodies for which there is not enough memory.
        metrics: counts inferences.
        timeout_seconds: how long an answer to a large request may take.
        log: logs a share of the requests; None if that is off.
        shadows: ask shadow versions afterwards; None if there are none.
    """

    def __init__(
        self,
        admission: Admission,
        memory: MemoryBudget,
        metrics: Metrics,
        timeout_seconds: float,
        log: RequestLog | None = None,
        shadows: ShadowVersions | None = None,
    ) -> None:
        self._log = log
        self._shadows = shadows
        self._admission = admission
        self._memory = memory
        self._metrics = metrics
        self._timeout_seconds = timeout_seconds
        self._threads = ThreadPoolExecutor(N_THREADS, initializer=_step_back)

    def check_body(self, n_bytes: int) -> Reservation | None:
        """Refuse a body, before it is read if possible, if its request would not be admitted now.

        Args:
            n_bytes: the length of the body.

        Returns:
            The memory for a large body, to be kept until its answer is sent.

        Raises:
            Overloaded: if it is large and too many large requests are being answered.
            PayloadTooLarge: if there is not enough memory for it.
        """
        if not is_large(n_bytes):
            return None
        self._admission.check(n_bytes * _SECONDS_PER_BYTE)
        return self._memory.reserve(n_bytes)

    async def inflate(
        self, inflation: Inflation, most: int, advice: str
    ) -> tuple[bytearray, Reservation | None]:
        """Inflate a compressed body; what becomes large is admitted like a large request.

        Args:
            inflation: the body as it came.
            most: the largest body that is accepted.
            advice: what to do about a larger one.

        Returns:
            The body, and the memory for a large one, to be kept until its answer is sent.

        Raises:
            InvalidInput: if the body is damaged.
            Overloaded: if too many large requests are being answered.
            PayloadTooLarge: if it becomes longer than ``most``, or does not fit into memory.
        """
        if not is_large(inflation.n_compressed):
            inflation.grow(min(SMALL_BODY_BYTES, most))
            if inflation.is_complete:
                return inflation.take(), None
        reservation, size = None, SMALL_BODY_BYTES
        seconds = inflation.n_compressed * _USUAL_INFLATION * _SECONDS_PER_BYTE
        async with self._admitted(seconds):
            while not inflation.is_complete:
                size = min(2 * size, most + 1)
                del reservation  # Its memory is part of what is needed now.
                reservation = self._memory.reserve(size)
                await self._in_thread(inflation.grow, size)
                if len(inflation) > most:
                    raise PayloadTooLarge(
                        f"the body has {len(inflation)} bytes or more when it is decompressed; at "
                        f"most {most} are accepted; {advice}"
                    )
        return inflation.take(), reservation

    async def deflate(self, body: Body, coding: str) -> Body:
        """Compress the body of an answer, or the blocks of one as they are written."""
        deflation = Deflation(coding)
        if not isinstance(body, bytes):
            return self._deflated(body, deflation)
        if len(body) <= _QUICKLY_COMPRESSED_BYTES:
            return deflation.whole(body)
        whole: bytes = await self._in_thread(deflation.whole, body)
        return whole

    async def _deflated(
        self, blocks: AsyncIterator[bytes], deflation: Deflation
    ) -> AsyncIterator[bytes]:
        async for block in blocks:
            if compressed := await self._in_thread(deflation.block, block):
                yield compressed
        yield deflation.last()

    def check_delay(self, iteration: LoopIteration) -> None:
        """Refuse a request that has waited too long in an iteration of the event loop.

        Raises:
            Overloaded: if it is late, and others before it were late too.
        """
        self._admission.check_delay(iteration)

    async def run(
        self, n_bytes: int, parse: Parse, *, may_expand: bool = False
    ) -> tuple[Headers, Body]:
        """Answer one request.

        A small request that needs little work is answered without awaiting anything.

        Args:
            n_bytes: the length of the body.
            parse: reads the body.
            may_expand: whether a small body may hold many rows, as compressed ones do.

        Returns:
            The headers that describe the body, and the body.

        Raises:
            ForestError: if ``parse``, ``infer`` or ``write`` raises it.
            Overloaded: if the request is not admitted.
            TimedOut: if a large request takes too long.
        """
        if n_bytes > SMALL_BODY_BYTES:
            async with self._admitted(n_bytes * _SECONDS_PER_BYTE):
                return await self._run_in_threads(parse, is_admitted=True)
        if may_expand:
            return await self._run_in_threads(parse, is_admitted=False)
        inference = parse()
        answer = await self._infer(inference, is_admitted=False)
        headers, blocks = inference.write(answer)
        return headers + inference.model.headers, b"".join(blocks)

    async def _run_in_threads(self, parse: Parse, *, is_admitted: bool) -> tuple[Headers, Body]:
        inference = await self._in_thread(parse)
        # A small body that became many rows; a large one has been promised memory before.
        reservation = None if is_admitted else self._reserve_rows(inference)
        write, n_rows, version = inference.write, inference.n_rows, inference.model.headers
        answer = await self._infer(inference, is_admitted=is_admitted)
        del inference  # Its rows make room for the response.
        if n_rows <= _FEW_ROWS:
            headers, blocks = write(answer)
            return headers + version, b"".join(blocks)
        headers, blocks = await self._in_thread(write, answer)
        return headers + version, await self._whole_or_streamed(iter(blocks), reservation)

    def _reserve_rows(self, inference: Inference) -> Reservation | None:
        return self._memory.reserve(inference.n_bytes) if is_large(inference.n_bytes) else None

    async def _infer(self, inference: Inference, *, is_admitted: bool) -> Any:
        """Compute the model's answer, and count it, whether it succeeds or fails."""
        model, infer, observed = inference.model, inference.infer, None
        version = model.label or inference.version
        is_logged = self._log is not None and self._log.chooses(model)
        new_observed = model.runtime.new_observed
        if new_observed is not None and (is_logged or inference.shadow is not None):
            observed = new_observed()
            infer = partial(infer, observed.add)
        started, is_long = perf_counter(), inference.seconds > LONG_SECONDS
        try:
            if model.runtime.is_awaited:
                answer = await self._await(infer, is_admitted=is_admitted)
            elif not is_long and model.runtime.is_immediate:
                answer = infer()
            elif is_admitted or not is_long:
                answer = await self._in_thread(infer)
            else:
                async with self._admitted(inference.seconds):
                    answer = await self._in_thread(infer)
        except BaseException:
            seconds = perf_counter() - started
            self._metrics.failed(model.name, version, seconds)
            raise
        seconds = perf_counter() - started
        self._metrics.inferred(model.name, version, inference.n_rows, seconds)
        if observed is not None:
            if is_logged and self._log is not None:
                self._log.put(model, inference.id, observed, seconds)
            if self._shadows is not None and inference.shadow is not None:
                self._shadows.put(model, *inference.shadow, observed)
        return answer

    async def _await(self, infer: Callable[[], Any], *, is_admitted: bool) -> Any:
        """Wait for a runtime that answers elsewhere; nobody knows how long it will take."""
        if is_admitted:
            return await infer()
        async with self._limited(self._admission.waiting_place()):
            return await infer()

    def _admitted(self, seconds: float) -> AbstractAsyncContextManager[None]:
        """Hold a place for a large request, and limit its time."""
        return self._limited(self._admission.place(seconds))

    @asynccontextmanager
    async def _limited(self, place: AbstractContextManager[None]) -> AsyncIterator[None]:
        """Hold a place, and limit the time.

        A thread whose answer nobody is waiting for stops at its next block.
        """
        if asyncio.current_task() is None:  # asyncio.timeout needs a task.
            await asyncio.sleep(0)
        with place:
            is_cancelled = cancellation.begin()
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    yield
            except BaseException as error:  # The client has cancelled its call, for example.
                is_cancelled.set()
                if not isinstance(error, TimeoutError):
                    raise
                raise TimedOut(
                    f"there was no answer within {self._timeout_seconds:g} s; send fewer rows at "
                    "a time, or raise MODEL_SERVER_TIMEOUT"
                ) from error

    async def _whole_or_streamed(
        self, blocks: Iterator[bytes], reservation: Reservation | None
    ) -> Body:
        """A body that is one block, or an iterator of blocks that are sent one by one."""
        first = await self._in_thread(next, blocks, b"")
        second = await self._in_thread(next, blocks, None)
        return first if second is None else self._stream(first, second, blocks, reservation)

    async def _stream(
        self,
        first: bytes,
        second: bytes,
        blocks: Iterator[bytes],
        reservation: Reservation | None,  # Kept until the last block is sent.
    ) -> AsyncIterator[bytes]:
        yield first
        yield second
        while (block := await self._in_thread(next, blocks, None)) is not None:
            yield block

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function in a thread for requests; models are loaded in others."""
        call = partial(copy_context().run, function, *arguments)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def _step_back() -> None:
    """Lower this thread's priority below that of all workers' event loops."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
