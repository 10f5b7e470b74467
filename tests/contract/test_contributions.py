"""Contributions on every route: SageMaker's in each media type, V2 by REST and by gRPC."""

import io
import json

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shap
import xgboost
from sklearn.ensemble import RandomForestRegressor

from mlserver_forest.formats.recordio.record_message import record_class
from support import IRIS_NAMES, ask_over_grpc, save_model, serving

CHOSEN = "outputs=predicted_label,contributions,expected_value"
NAMES = ("contributions", "expected_value")


@pytest.fixture(scope="module")
def expected(iris, iris_forest):
    """(n, 4, 3) and (3,): those of shap."""
    explainer = shap.TreeExplainer(iris_forest)
    return explainer.shap_values(iris[0]), explainer.expected_value


def invoke(server, x, accept, chosen=CHOSEN):
    body = "\n".join(",".join(map(str, row)) for row in x.tolist())
    headers = {
        "content-type": "text/csv",
        "accept": accept,
        "x-amzn-sagemaker-custom-attributes": chosen,
    }
    response = httpx.post(server.url + "/invocations", content=body, headers=headers, timeout=60)
    assert response.status_code == 200, response.text
    return response.content


@pytest.mark.parametrize("n_rows", [1, 5, 150])
def test_as_json_they_are_named_by_feature(iris_server, iris, expected, n_rows):
    answer = json.loads(invoke(iris_server, iris[0][:n_rows], "application/json"))
    rows = answer["predictions"]
    assert len(rows) == n_rows
    for row, contributions in zip(rows, expected[0], strict=False):
        assert list(row) == ["predicted_label", *NAMES]
        assert list(row["contributions"]) == list(IRIS_NAMES)
        found = list(row["contributions"].values())
        np.testing.assert_allclose(found, contributions, atol=1e-6)
        np.testing.assert_allclose(row["expected_value"], expected[1], atol=1e-6)


def test_json_lines_have_the_contributions_of_each_row_by_feature(iris_server, iris, expected):
    lines = invoke(iris_server, iris[0][:7], "application/jsonlines").splitlines()
    found = [list(json.loads(line)["contributions"].values()) for line in lines]
    np.testing.assert_allclose(found, expected[0][:7], atol=1e-6)


def test_as_csv_a_row_is_quoted_text_as_other_lists(iris_server, iris, expected):
    lines = invoke(iris_server, iris[0][:3], "text/csv").decode().splitlines()
    label, contributions, expected_value = json.loads(
        "[" + lines[0].replace("setosa", '"setosa"') + "]"
    )
    assert label == "setosa"
    np.testing.assert_allclose(json.loads(contributions), expected[0][0], atol=1e-6)
    np.testing.assert_allclose(json.loads(expected_value), expected[1], atol=1e-6)


def test_as_npy_alone_they_keep_their_shape(iris_server, iris, expected):
    body = invoke(iris_server, iris[0], "application/x-npy", "outputs=contributions")
    np.testing.assert_allclose(np.load(io.BytesIO(body)), expected[0], atol=1e-6)
    both = invoke(iris_server, iris[0], "application/x-npy", "outputs=contributions,expected_value")
    assert np.load(io.BytesIO(both)).shape == (150, 4 * 3 + 3)


def test_as_tables_and_records_a_row_is_one_list(iris_server, iris, expected):
    flat = expected[0].reshape(150, 12)
    table = pq.read_table(io.BytesIO(invoke(iris_server, iris[0], "application/x-parquet")))
    assert table.column_names == ["predicted_label", *NAMES]
    np.testing.assert_allclose(table["contributions"].to_pylist(), flat, atol=1e-6)
    stream = invoke(iris_server, iris[0], "application/vnd.apache.arrow.stream")
    found = pa.ipc.open_stream(stream).read_all()
    np.testing.assert_allclose(found["contributions"].to_pylist(), flat, atol=1e-6)
    records = invoke(iris_server, iris[0], "application/x-recordio-protobuf")
    # Behind a magic number there is the length of the first.
    record = record_class()()
    record.ParseFromString(records[8 : 8 + int.from_bytes(records[4:8], "little")])
    values = record.label["contributions"].float32_tensor.values
    np.testing.assert_allclose(values, flat[0], atol=1e-6)


@pytest.mark.parametrize("binary", [False, True])
def test_v2_has_contributions_in_json_and_in_bytes(iris_server, iris, expected, binary):
    outputs = [{"name": name, "parameters": {"binary_data": binary}} for name in NAMES]
    tensor = {"name": "X", "shape": [150, 4], "datatype": "FP32", "data": iris[0].ravel().tolist()}
    response = httpx.post(
        iris_server.url + "/v2/models/forest/infer", json={"inputs": [tensor], "outputs": outputs}
    )
    length = int(response.headers.get("inference-header-content-length", len(response.content)))
    document = json.loads(response.content[:length])
    contributions, expected_value = document["outputs"]
    assert [contributions["shape"], expected_value["shape"]] == [[150, 4, 3], [150, 3]]
    if binary:
        data = np.frombuffer(response.content[length:])
        found, means = data[: 150 * 12], data[150 * 12 :]
    else:
        found, means = np.ravel(contributions["data"]), np.ravel(expected_value["data"])
    np.testing.assert_allclose(found, expected[0].ravel(), atol=1e-6)
    np.testing.assert_allclose(means.reshape(150, 3)[7], expected[1], atol=1e-6)


def test_grpc_has_contributions(iris_server, iris, expected):
    answer = ask_over_grpc(iris_server.grpc_port, iris[0].tolist(), outputs=NAMES)
    np.testing.assert_allclose(answer["contributions"], expected[0], atol=1e-6)
    np.testing.assert_allclose(answer["expected_value"], [expected[1]] * 150, atol=1e-6)


def test_the_metadata_declare_contributions_and_their_shapes(iris_server):
    metadata = httpx.get(iris_server.url + "/v2/models/forest").json()
    shapes = {tensor["name"]: tensor["shape"] for tensor in metadata["outputs"]}
    assert shapes["contributions"] == [-1, 4, 3]
    assert shapes["expected_value"] == [-1, 3]


def test_what_a_model_cannot_tell_is_refused_with_what_to_do(iris_server):
    headers = {
        "content-type": "text/csv",
        "x-amzn-sagemaker-custom-attributes": "outputs=interval",
    }
    response = httpx.post(iris_server.url + "/invocations", content=b"1,2,3,4", headers=headers)
    assert response.status_code == 400
    assert "train it again with prediction_interval" in response.json()["error"]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_of_a_regression_they_are_a_number_for_each_feature(tmp_path):
    """Boosting adds up margins, a forest the target itself; both sum to the prediction."""
    rng = np.random.RandomState(0)
    x = rng.normal(size=(3_000, 6)).astype(np.float32)
    y = x[:, 0] * x[:, 1]
    for number, estimator in enumerate(
        (RandomForestRegressor(30, n_jobs=2), xgboost.XGBRegressor(n_estimators=40))
    ):
        folder = tmp_path / f"{number}" / "model"
        save_model(folder, estimator.fit(x, y), x, names=tuple("abcdef"))
        with serving(folder) as server:
            body = invoke(
                server, x, "application/json", "outputs=score,contributions,expected_value"
            )
        for row in json.loads(body)["predictions"]:
            total = sum(row["contributions"].values()) + row["expected_value"]
            assert total == pytest.approx(row["score"], abs=1e-4)
