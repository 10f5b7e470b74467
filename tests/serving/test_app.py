"""The application in this process: before it is ready, and when a runtime fails."""

import asyncio
import json
from pathlib import Path

import pytest
from mlserver import MLModel, ModelSettings, Settings
from mlserver.registry import MultiModelRegistry

from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.http.app import Application
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.metrics.shared_counters import Ledger
from mlserver_forest.serving.models.loaded_models import Served
from mlserver_forest.serving.process.admission import Admission
from mlserver_forest.serving.process.loop_iteration import LoopIteration
from mlserver_forest.serving.process.offload import Work
from mlserver_forest.serving.sagemaker.container_routes import ContainerRoutes, OneModelRoutes
from mlserver_forest.serving.sagemaker.invocations import Invocations
from mlserver_forest.serving.v2.data_plane import GuardedDataPlane

CSV = {b"content-type": b"text/csv"}


class Failing(MLModel):
    """A runtime with a bug of its own."""

    async def predict(self, payload):
        raise RuntimeError("secret detail")


@pytest.fixture(scope="module")
def registry():
    return MultiModelRegistry()


@pytest.fixture(scope="module")
def application(registry):
    """One for the module: MLServer's data plane registers its metrics with the process."""

    async def v2(request):
        raise RuntimeError("secret detail")

    metrics = Metrics(Ledger(1), list)
    admission = Admission()
    work = Work(admission, 60)
    data_plane = GuardedDataPlane(
        Settings(parallel_workers=0), registry, metrics, work, needs_model=True
    )
    invocations = Invocations(
        data_plane, work, default_accept=None, default_outputs=(), is_batch=False
    )
    model = Served("failing", Path("/nowhere"), Schema(("a", "b"), "regression"))
    container = ContainerRoutes(data_plane, {}, metrics.text, {})
    table = {**container.table(), **OneModelRoutes(model, invocations).table()}
    return Application(table, v2, metrics, admission, max_body_bytes=1000)


def call(application, method, path, body=b"", headers=CSV):
    async def answer():
        request = application.begin(method, path, b"", headers)
        request.body = body
        iteration = LoopIteration(asyncio.get_running_loop())
        response = await application.respond(request, iteration)
        application.end(request, response.status)
        return response

    return asyncio.run(answer())


def test_before_a_model_is_ready_ping_says_503_with_an_empty_body(application):
    response = call(application, "GET", b"/ping")
    assert (response.status, response.body) == (503, b"")


def test_before_a_model_is_ready_an_invocation_says_when_to_try_again(application):
    response = call(application, "POST", b"/invocations", b"1,2")
    assert response.status == 503
    assert json.loads(response.body)["error"] == (
        "the model is still being loaded; try again when /ping says 200"
    )


def test_a_failure_inside_is_a_500_that_tells_the_log_and_not_the_client(
    application, registry, caplog
):
    asyncio.run(registry.load(ModelSettings(name="failing", implementation=Failing)))
    for path in (b"/invocations", b"/v2/models/failing"):
        caplog.clear()
        response = call(application, "POST", path, b"1,2")
        assert response.status == 500
        assert json.loads(response.body)["error"] == (
            "the server failed on this request; its log has the reason"
        )
        assert "secret detail" in caplog.text
