"""The application in this process, before it is ready and when a runtime fails."""

import asyncio
import json
from pathlib import Path

import pytest
from mlserver import MLModel, ModelSettings, Settings

from mlserver_forest.errors import ModelNotFound
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.http.app import Application
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.metrics.shared_counters import SharedCounters
from mlserver_forest.serving.models.calls_in_flight import CallsInFlight
from mlserver_forest.serving.models.foreign_runtime import ForeignRuntime
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.models.model_versions import Chosen
from mlserver_forest.serving.models.runtime_loop import RuntimeLoop
from mlserver_forest.serving.pipeline import Pipeline
from mlserver_forest.serving.process.admission import Admission
from mlserver_forest.serving.process.loop_iteration import LoopIteration
from mlserver_forest.serving.process.memory_budget import MemoryBudget
from mlserver_forest.serving.sagemaker.container_routes import ContainerRoutes, OneModelRoutes
from mlserver_forest.serving.sagemaker.invocations import Invocations
from mlserver_forest.serving.v2.handlers import V2Handlers
from mlserver_forest.serving.v2.rest_routes import V2Routes

CSV = {b"content-type": b"text/csv"}


class Failing(MLModel):
    """A runtime with a bug."""

    async def predict(self, payload):
        raise RuntimeError("secret detail")


class OneLoaded:
    """The loaded models of a server, at most one, whose runtime is not read from an artifact."""

    model = None

    def __len__(self):
        return int(self.model is not None)

    async def wait_for(self, name):
        return False

    def get(self, name, version=None):
        if self.model is None:
            raise ModelNotFound(name, version)
        return self.model

    def choose(self, name, version=None):
        return Chosen(self.get(name, version))


@pytest.fixture(scope="module")
def models():
    return OneLoaded()


@pytest.fixture(scope="module")
def application(models):
    metrics = Metrics(SharedCounters(1), list)
    pipeline = Pipeline(Admission(), MemoryBudget(lambda: 2**40, 1), metrics, 60)
    settings = Settings(parallel_workers=0)
    handlers = V2Handlers(settings, pipeline, models, None)
    invocations = Invocations(pipeline, default_accept=None, default_outputs=(), is_batch=False)
    table = {
        **ContainerRoutes(handlers.is_ready, {}, metrics.text, {}).table(),
        **OneModelRoutes(models, "failing", invocations).table(),
        **V2Routes(handlers, {"info": {}, "paths": {}}).table(),
    }
    return Application(table, pipeline, metrics, max_body_bytes=1000)


def call(application, method, path, body=b"", headers=CSV):
    async def answer():
        request = application.begin(method, path, b"", headers)
        request.body = body
        iteration = LoopIteration(asyncio.get_running_loop())
        response = await application.respond(request, iteration)
        application.end(request, response.status)
        return response

    return asyncio.run(answer())


def error_of(response):
    return json.loads(response.body)["error"]


def test_before_a_model_is_ready_ping_says_503_with_an_empty_body(application):
    response = call(application, "GET", b"/ping")
    assert (response.status, response.body) == (503, b"")


def test_before_a_model_is_ready_an_invocation_says_when_to_try_again(application):
    response = call(application, "POST", b"/invocations", b"1,2")
    assert (response.status, response.headers[-1]) == (503, (b"retry-after", b"1"))
    assert error_of(response) == "the model is still being loaded; try again when /ping says 200"


@pytest.mark.parametrize("path", [b"/v2/", b"/v2/health/live/"])
def test_a_path_of_v2_may_end_with_a_slash(application, path):
    assert call(application, "GET", path).status == 200
    assert call(application, "GET", b"/ping/").status == 404


TENSOR = {"name": "X", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (b"/invocations", b"1,2"),
        (b"/v2/models/failing/infer", json.dumps({"inputs": [TENSOR]}).encode()),
    ],
)
def test_a_failure_inside_is_a_500_that_tells_the_log_and_not_the_client(
    application, models, caplog, path, body
):
    failing = Failing(ModelSettings(name="failing", implementation=Failing))
    schema = Schema(("a", "b"), "regression")
    runtime = ForeignRuntime(failing, schema, None, RuntimeLoop(), CallsInFlight(1))
    models.model = LoadedModel("failing", None, Path("/nowhere"), schema, runtime, failing)
    headers = CSV if path == b"/invocations" else {}
    response = call(application, "POST", path, body, headers)
    assert response.status == 500
    assert (
        error_of(response)
        == "the model 'failing' failed on this request; the server's log says why"
    )
    assert "secret detail" in caplog.text
