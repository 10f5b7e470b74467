"""Intervals and prediction sets on every route, in every media type."""

import csv
import io
import json
from dataclasses import replace

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from contract.test_content_types import ARROW, RECORDIO, records_of
from mlserver_forest.engine.leaf_samples import learn_leaf_samples
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.insight.intervals import Intervals
from support import ask_over_grpc, save_model, serving

N_ROWS = 12


@pytest.fixture(scope="module")
def regression(tmp_path_factory, iris):
    """A server, and what it is to answer to twelve rows: (12, 2)."""
    x = iris[0]
    y = np.asarray(x[:, 2] * 2 + x[:, 0], np.float64)
    estimator = RandomForestRegressor(12, random_state=0).fit(x, y)
    model = import_estimator(estimator)
    intervals = Intervals(0.9, 0.125, learn_leaf_samples(model.forest, x, y, None))
    directory = save_model(
        tmp_path_factory.mktemp("ml") / "model", estimator, x, intervals=intervals
    )
    with serving(directory) as server:
        expected = replace(model, calibration=intervals).interval(x[::13])
        yield server, expected


@pytest.fixture(scope="module")
def classification(tmp_path_factory, iris):
    """A server, and what it is to answer to twelve rows: (12, 3)."""
    estimator = RandomForestClassifier(12, max_depth=1, random_state=1).fit(*iris)
    intervals = Intervals(0.9, 0.6)
    directory = save_model(
        tmp_path_factory.mktemp("ml") / "model", estimator, iris[0], intervals=intervals
    )
    with serving(directory, SAGEMAKER_BATCH="true") as server:
        expected = 1 - estimator.predict_proba(iris[0][::13]) <= 0.6
        assert expected.sum(axis=1).max() > 1
        yield server, expected


@pytest.fixture(scope="module")
def rows(iris):
    return iris[0][::13].tolist()


def invoke(server, rows, accept, outputs):
    headers = {
        "content-type": "application/json",
        "accept": accept,
        "x-amzn-sagemaker-custom-attributes": f"outputs={outputs}",
    }
    response = httpx.post(server.url + "/invocations", content=json.dumps(rows), headers=headers)
    assert response.status_code == 200, response.text
    return response.content


def named(sets):
    names = np.array(["setosa", "versicolor", "virginica"])
    return [names[row].tolist() for row in sets]


def column(content, accept, name):
    """One output of a JSON, JSON lines, CSV, Parquet or Arrow answer."""
    if accept == "text/csv":
        return [json.loads(row[1].replace("'", '"')) for row in csv.reader(io.StringIO(content))]
    if accept == "application/json":
        return [row[name] for row in json.loads(content)["predictions"]]
    if "json" in accept:
        return [json.loads(line)[name] for line in content.splitlines()]
    if accept == ARROW:
        return pa.ipc.open_stream(content).read_all().column(name).to_pylist()
    return pq.read_table(io.BytesIO(content)).column(name).to_pylist()


TABLES = ["application/json", "application/jsonlines", "text/csv", "application/x-parquet", ARROW]


@pytest.mark.parametrize("accept", TABLES)
def test_an_interval_is_low_and_high(regression, rows, accept):
    server, expected = regression
    content = invoke(server, rows, accept, "predicted_score,interval")
    content = content.decode() if accept == "text/csv" else content
    assert column(content, accept, "interval") == expected.tolist()


@pytest.mark.parametrize("accept", TABLES)
def test_a_set_is_the_labels_in_it_or_whether_each_class_is(classification, rows, accept):
    """Tables of columns hold a truth value for each class, in the order of the classes."""
    server, expected = classification
    content = invoke(server, rows, accept, "predicted_label,prediction_set")
    content = content.decode() if accept == "text/csv" else content
    is_table = accept in {"application/x-parquet", ARROW}
    found = column(content, accept, "prediction_set")
    assert found == (expected.tolist() if is_table else named(expected))


def test_npy_holds_the_rows_of_an_output(regression, classification, rows):
    for (server, expected), name in ((regression, "interval"), (classification, "prediction_set")):
        content = invoke(server, rows, "application/x-npy", name)
        assert np.array_equal(np.load(io.BytesIO(content), allow_pickle=False), expected)


def test_recordio_holds_them_in_32_bits(regression, classification, rows):
    for (server, expected), name in ((regression, "interval"), (classification, "prediction_set")):
        records = list(records_of(invoke(server, rows, RECORDIO, name)))
        assert len(records) == N_ROWS
        for record, row in zip(records, expected, strict=True):
            assert row.astype("<f4").tobytes() in record


def test_v2_over_rest_and_grpc(regression, classification, rows):
    for (server, expected), name, datatype in (
        (regression, "interval", "FP64"),
        (classification, "prediction_set", "BOOL"),
    ):
        tensor = {"name": "X", "shape": [N_ROWS, 4], "datatype": "FP32", "data": rows}
        request = {"inputs": [tensor], "outputs": [{"name": name}]}
        answer = httpx.post(server.url + "/v2/models/forest/infer", json=request).json()
        (output,) = answer["outputs"]
        assert (output["name"], output["datatype"]) == (name, datatype)
        assert output["shape"] == list(expected.shape)
        assert output["data"] == expected.ravel().tolist()
        over_grpc = ask_over_grpc(server.grpc_port, rows, outputs=[name, "predict"])
        assert over_grpc[name] == expected.tolist()
        described = httpx.get(server.url + "/v2/models/forest").json()["outputs"]
        shape = [-1, expected.shape[1]]
        assert {"name": name, "datatype": datatype, "shape": shape} in described


@pytest.mark.parametrize("n_rows", [1, 3000])
def test_few_and_many_rows_have_the_same_interval(regression, rows, n_rows):
    server, expected = regression
    repeated = [rows[i % N_ROWS] for i in range(n_rows)]
    content = invoke(server, repeated, "application/x-npy", "interval")
    found = np.load(io.BytesIO(content), allow_pickle=False)
    assert np.array_equal(found, np.resize(expected, (n_rows, 2)))


def test_a_batch_job_writes_them_line_by_line(classification, rows):
    """As AssembleWith=Line wants it: no newline after the last row."""
    server, expected = classification
    body = "\n".join(",".join(map(str, row)) for row in rows)
    headers = {
        "content-type": "text/csv",
        "accept": "application/jsonlines",
        "x-amzn-sagemaker-custom-attributes": "outputs=prediction_set",
    }
    text = httpx.post(server.url + "/invocations", content=body, headers=headers).text
    assert not text.endswith("\n")
    assert [json.loads(line)["prediction_set"] for line in text.split("\n")] == named(expected)


def test_a_model_that_has_none_says_what_to_do(iris_server, rows):
    attributes = "outputs=prediction_set"
    response = httpx.post(
        iris_server.url + "/invocations",
        json=rows,
        headers={"x-amzn-sagemaker-custom-attributes": attributes},
    )
    assert response.status_code == 400
    assert "train it again with prediction_interval=0.9 for that" in response.json()["error"]


def test_missing_values_have_an_interval_too(regression):
    server, _ = regression
    content = invoke(server, [[None, 3.0, None, 1.0]], "application/json", "interval")
    ((low, high),) = column(content, "application/json", "interval")
    assert low < high
