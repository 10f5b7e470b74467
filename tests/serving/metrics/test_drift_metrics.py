"""Drift in Prometheus metrics."""

import re
import time
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from mlserver import ModelSettings
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.insight.baseline import Baseline
from mlserver_forest.model.model import Model
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.metrics.drift_metrics import DriftMetrics
from mlserver_forest.serving.metrics.shared_counters import SharedCounters
from mlserver_forest.serving.models.runtime import ForestRuntime
from support import IRIS_NAMES, save_model

SCHEMA = Schema(IRIS_NAMES, "classification", ("setosa", "versicolor", "virginica"))


@pytest.fixture(scope="module")
def forest(iris_forest):
    return import_estimator(iris_forest).forest


@pytest.fixture
def make_model(forest, iris):
    """Models with only the attributes that drift reads."""

    def make(baseline="iris"):
        model = ForestRuntime(ModelSettings(name="iris", implementation=ForestRuntime))
        if baseline == "iris":
            baseline = Baseline.from_rows(iris[0], forest, SCHEMA)
        model.model = Model(SCHEMA, forest, baseline)
        return model

    return make


def told(drift):
    registry = CollectorRegistry()
    registry.register(drift)
    return samples(generate_latest(registry).decode())


def samples(text):
    """The values of drift's series, by name and labels."""
    found = re.findall(r"^(forest_\w+)\{(.*)\} (\S+)$", text, re.MULTILINE)
    return {f"{name}{{{labels}}}": float(value) for name, labels, value in found}


def ask(model, forest, x):
    model.traffic.add(x, forest.predict(x))


def test_the_regions_of_all_workers_are_added_up(make_model, forest, iris):
    counters, models = SharedCounters(2), [make_model(), make_model()]
    drifts = [DriftMetrics(counters), DriftMetrics(counters)]
    for region, (drift, model) in enumerate(zip(drifts, models, strict=True)):
        drift.watch("iris", model)
        drift.count_as(region)
        for _ in range(3):
            ask(model, forest, iris[0])
        drift.flush()
    found = told(drifts[0])
    assert found['forest_drift_rows_total{model="iris"}'] == 900
    assert found['forest_drift_psi{feature="sepal_width",model="iris"}'] == 0
    assert found['forest_prediction_psi{model="iris",target="0"}'] == 0
    share = np.bincount(forest.predict(iris[0]).positions)[2] / 150
    assert found['forest_predicted_class_ratio{class="virginica",model="iris"}'] == share
    assert found == told(drifts[1])


def test_few_rows_tell_no_more_than_their_number(make_model, forest, iris):
    drift, model = DriftMetrics(SharedCounters(1)), make_model()
    drift.watch("iris", model)
    ask(model, forest, iris[0])
    assert told(drift) == {'forest_drift_rows_total{model="iris"}': 150}


def test_a_model_that_is_gone_is_forgotten(make_model, forest, iris):
    drift, model = DriftMetrics(SharedCounters(1)), make_model()
    drift.watch("iris", model)
    ask(model, forest, iris[0])
    drift.forget("iris")
    ask(model, forest, iris[0])
    assert told(drift) == {}
    drift.watch("iris", make_model())
    assert told(drift) == {'forest_drift_rows_total{model="iris"}': 0}


def test_models_that_know_nothing_of_training_are_not_watched(make_model):
    drift, model = DriftMetrics(SharedCounters(1)), make_model(baseline=None)
    drift.watch("iris", model)
    drift.watch("foreign", SimpleNamespace())
    assert told(drift) == {}
    assert model.traffic is None


def test_of_many_models_the_first_are_watched(make_model):
    """500 models of 4 features have 2,000 features, with three or four series each."""
    drift = DriftMetrics(SharedCounters(1))
    models = [make_model() for _ in range(501)]
    for number, model in enumerate(models):
        drift.watch(f"model-{number}", model)
    assert [model.traffic is None for model in models] == [False] * 500 + [True]
    drift.forget("model-7")
    drift.watch("model-500", models[500])
    assert models[500].traffic is not None


@pytest.fixture(scope="module")
def known_model(tmp_path_factory, iris, iris_forest):
    directory = tmp_path_factory.mktemp("known") / "model"
    return save_model(directory, iris_forest, iris[0], has_baseline=True)


def drift_of(server):
    return samples(httpx.get(server.url + "/metrics", timeout=30).text)


def invoke(client, content, media_type):
    answer = client.post("/invocations", content=content, headers={"content-type": media_type})
    assert answer.status_code == 200, answer.text


def test_the_server_counts_what_arrives_by_any_way(start_serve, known_model):
    """Two workers count single rows, small requests, a large one, and V2."""
    server = start_serve(known_model, MODEL_SERVER_WORKERS="2").wait_until_ready()
    row = "5.1,3.5,1.4,0.2"
    for _ in range(4):
        with httpx.Client(base_url=server.url, timeout=30) as client:
            for _ in range(50):
                invoke(client, row, "text/csv")
            invoke(client, f'{{"instances": [[{row}]]}}', "application/json")
            invoke(client, '{"instances": [[5.1, null, 1.4, 0.2]]}', "application/json")
    with httpx.Client(base_url=server.url, timeout=30) as client:
        invoke(client, f"{row}\n" * 1000, "text/csv")
        tensor = {"name": "x", "shape": [2, 4], "datatype": "FP32", "data": [9.0] * 8}
        answer = client.post("/v2/models/forest/infer", json={"inputs": [tensor]})
        assert answer.status_code == 200
    n_rows = 4 * 52 + 1000 + 2
    deadline = time.monotonic() + 30
    while drift_of(server)['forest_drift_rows_total{model="forest"}'] < n_rows:
        assert time.monotonic() < deadline, drift_of(server)
        time.sleep(0.1)
    found = drift_of(server)
    of = 'model="forest"}'
    assert found.pop("forest_drift_rows_total{" + of) == n_rows
    assert found['forest_feature_missing_ratio{feature="sepal_width",' + of] == 4 / n_rows
    assert found['forest_feature_out_of_range_ratio{feature="sepal_length",' + of] == 2 / n_rows
    assert found['forest_feature_out_of_range_ratio{feature="sepal_width",' + of] == 6 / n_rows
    assert found['forest_drift_psi{feature="sepal_length",' + of] > 0.25
    assert found['forest_predicted_class_ratio{class="setosa",' + of] >= 1 - 2 / n_rows
    assert not any("unseen" in series for series in found)


def test_drift_can_be_switched_off(start_serve, known_model):
    server = start_serve(known_model, FOREST_DRIFT="false").wait_until_ready()
    with httpx.Client(base_url=server.url, timeout=30) as client:
        invoke(client, "5.1,3.5,1.4,0.2", "text/csv")
    assert "forest_drift" not in httpx.get(server.url + "/metrics", timeout=30).text
