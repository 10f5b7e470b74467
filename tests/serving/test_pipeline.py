"""The pipeline decides where a request is processed, whether it is admitted, and for how long."""

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlserver_forest.errors import InvalidInput, Overloaded, TimedOut
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.metrics.shared_counters import SharedCounters
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.pipeline import SMALL_BODY_BYTES, Inference, Pipeline
from mlserver_forest.serving.process.admission import PLACES, Admission
from mlserver_forest.serving.process.memory_budget import MemoryBudget

SMALL, LARGE = 10, SMALL_BODY_BYTES + 1
PLENTY = MemoryBudget(lambda: 2**40, 1)
HEADERS = ((b"content-type", b"text/plain"),)
INSTANT, LONG = 0.0, 1.0


@pytest.fixture
def metrics():
    metrics = Metrics(SharedCounters(1), list)
    metrics.know("forest")
    return metrics


@pytest.fixture
def pipeline(metrics):
    return Pipeline(Admission(), PLENTY, metrics, timeout_seconds=60)


class Steps:
    """A request that records the thread of each step."""

    def __init__(self, *, n_rows=1, seconds=INSTANT, is_immediate=True, blocks=(b"a", b"b")):
        runtime = SimpleNamespace(is_immediate=is_immediate, is_awaited=False, new_observed=None)
        self._schema = Schema(("x",), "regression")
        self._model = LoadedModel("forest", None, Path("/nowhere"), self._schema, runtime, None)
        self._n_rows, self._seconds, self._blocks = n_rows, seconds, blocks
        self.in_loop = {}

    def parse(self):
        self._note("parse")
        memory = 8 * self._n_rows
        parts = (self._model, None, self._n_rows, self._seconds, self._infer, self._write)
        return Inference(*parts, memory)

    def _infer(self):
        self._note("infer")
        return "answer"

    def _write(self, answer):
        assert answer == "answer"
        self._note("write")
        return HEADERS, iter(self._blocks)

    def _note(self, step):
        self.in_loop[step] = threading.current_thread() is threading.main_thread()


def run(pipeline, steps, n_bytes=SMALL, **options):
    async def answer():
        headers, body = await pipeline.run(n_bytes, steps.parse, **options)
        return headers, body if isinstance(body, bytes) else [block async for block in body]

    return asyncio.run(answer())


def test_a_small_request_is_answered_without_waiting(pipeline):
    steps = Steps()
    coroutine = pipeline.run(SMALL, steps.parse)
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)
    assert end.value.value == (HEADERS, b"ab")
    assert steps.in_loop == {"parse": True, "infer": True, "write": True}


@pytest.mark.parametrize(
    ("n_bytes", "options", "request_", "in_loop"),
    [
        (SMALL, {}, {"seconds": LONG}, (True, False, True)),
        (SMALL, {}, {"is_immediate": False}, (True, False, True)),
        (SMALL, {"may_expand": True}, {}, (False, True, True)),
        (SMALL, {"may_expand": True}, {"n_rows": 10**6, "seconds": LONG}, (False, False, False)),
        (LARGE, {}, {}, (False, True, True)),
        (LARGE, {}, {"n_rows": 10**6}, (False, True, False)),
        (LARGE, {}, {"n_rows": 10**6, "seconds": LONG}, (False, False, False)),
    ],
)
def test_long_steps_are_in_threads(pipeline, n_bytes, options, request_, in_loop):
    steps = Steps(**request_)
    _, body = run(pipeline, steps, n_bytes, **options)
    assert b"".join(body if isinstance(body, list) else [body]) == b"ab"
    assert tuple(steps.in_loop.values()) == in_loop


def test_a_large_response_of_several_blocks_is_streamed(pipeline):
    steps = Steps(n_rows=10**6, blocks=(b"a", b"b", b"c"))
    assert run(pipeline, steps, LARGE) == (HEADERS, [b"a", b"b", b"c"])
    assert run(pipeline, Steps(n_rows=10**6, blocks=(b"a",)), LARGE) == (HEADERS, b"a")
    assert run(pipeline, Steps(n_rows=10**6, blocks=()), LARGE) == (HEADERS, b"")


@pytest.mark.parametrize(("n_bytes", "seconds"), [(LARGE, INSTANT), (SMALL, LONG)])
def test_large_requests_are_refused_when_all_places_are_taken(metrics, n_bytes, seconds):
    admission = Admission()
    pipeline = Pipeline(admission, PLENTY, metrics, timeout_seconds=60)
    places = [admission.place(LONG) for _ in range(PLACES)]
    for place in places:
        place.__enter__()
    with pytest.raises(Overloaded):
        run(pipeline, Steps(seconds=seconds), n_bytes)
    with pytest.raises(Overloaded):
        pipeline.check_body(LARGE)
    pipeline.check_body(SMALL)
    assert run(pipeline, Steps())[1] == b"ab"
    for place in places:
        place.__exit__(None, None, None)
    assert run(pipeline, Steps(seconds=seconds), n_bytes)[1] == b"ab"


def test_an_answer_that_takes_too_long_is_given_up(metrics):
    pipeline = Pipeline(Admission(), PLENTY, metrics, timeout_seconds=0.05)
    steps, may_end = Steps(seconds=LONG), threading.Event()
    steps._infer = may_end.wait
    try:
        with pytest.raises(TimedOut, match=r"no answer within 0\.05 s; send fewer rows at a time"):
            asyncio.run(_and_then(pipeline.run(SMALL, steps.parse), may_end))
    finally:
        may_end.set()


async def _and_then(answer, event):
    """Let the thread end before the event loop waits for it."""
    try:
        return await answer
    finally:
        event.set()


def test_inferences_are_counted_whether_they_succeed_or_fail(pipeline, metrics):
    run(pipeline, Steps(n_rows=3))
    failing = Steps()
    failing._infer = lambda: (_ for _ in ()).throw(InvalidInput("no"))
    with pytest.raises(InvalidInput):
        run(pipeline, failing)
    text = metrics.text().decode()
    for name, value in (("request_success_total", 1), ("request_failure_total", 1)):
        assert f'model_infer_{name}{{model="forest",version="None"}} {value}.0' in text
    assert 'model_infer_request_rows_sum{model="forest"} 3.0' in text


def test_rows_that_a_small_body_expands_to_need_memory_until_their_answer_is_sent(metrics):
    """They are kept while a client reads slowly: two such answers do not fit here."""
    memory = MemoryBudget(lambda: 100 << 20, 1)
    pipeline = Pipeline(Admission(), memory, metrics, timeout_seconds=60)

    def steps():
        return Steps(n_rows=10**6, seconds=LONG, blocks=(b"a", b"b", b"c"))

    async def two():
        _, first = await pipeline.run(SMALL, steps().parse, may_expand=True)
        with pytest.raises(Overloaded, match="other large requests take the memory"):
            await pipeline.run(SMALL, steps().parse, may_expand=True)
        assert b"".join([block async for block in first]) == b"abc"
        del first
        _, again = await pipeline.run(SMALL, steps().parse, may_expand=True)
        return b"".join([block async for block in again])

    assert asyncio.run(two()) == b"abc"


def test_a_runtime_that_answers_elsewhere_is_waited_for_within_the_time_limit(metrics):
    """Many requests wait at the same time, and none of them keeps its place when it is given up."""
    steps = Steps()
    steps._model.runtime.is_awaited = True
    steps._infer = lambda: asyncio.sleep(60)
    pipeline = Pipeline(Admission(), PLENTY, metrics, timeout_seconds=0.1)

    async def many():
        runs = (pipeline.run(SMALL, steps.parse) for _ in range(600))
        return await asyncio.gather(*runs, return_exceptions=True)

    for _ in range(2):
        kinds = [type(error) for error in asyncio.run(many())]
        assert (kinds.count(TimedOut), kinds.count(Overloaded)) == (512, 88)
