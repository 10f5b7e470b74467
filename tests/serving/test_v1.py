"""KServe's V1 protocol, in the exact JSON of its clients."""

import json

import httpx
import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from support import IRIS_NAMES, error_of, save_model, serving

JSON = {"content-type": "application/json"}
ROW = [5.9, 3.0, 5.1, 1.8]


def call(server, path, document, **headers):
    content = document if isinstance(document, bytes) else json.dumps(document)
    return httpx.post(server.url + path, content=content, headers={**JSON, **headers})


def test_models_are_listed_and_ready(iris_server):
    answers = {
        path: httpx.get(iris_server.url + path)
        for path in ("/v1/models", "/v1/models/forest", "/v1/models/forest/", "/v1/models/oak")
    }
    assert [answer.json() for answer in answers.values()][:3] == [
        {"models": ["forest"]},
        *[{"name": "forest", "ready": True}] * 2,
    ]
    assert answers["/v1/models/oak"].status_code == 404
    assert error_of(answers["/v1/models/oak"]) == "Model oak not found; there is forest"
    missing = httpx.get(iris_server.url + "/v1/model")
    assert "the routes are /v1/models, /v1/models/{name}:predict" in error_of(missing)


@pytest.mark.parametrize("n_rows", [1, 150, 6_000])
@pytest.mark.parametrize("name", ["instances", "inputs"])
def test_predict_answers_a_value_for_each_row(iris_server, iris, iris_forest, n_rows, name):
    x = np.resize(iris[0], (n_rows, 4))
    expected = iris_forest.predict(x).tolist()
    for rows in (x.tolist(), [dict(zip(IRIS_NAMES, row, strict=True)) for row in x.tolist()]):
        document = {name: rows, "signature_name": "serving_default"}
        answer = call(iris_server, "/v1/models/forest:predict", document)
        assert answer.json() == {"predictions": expected}
        assert answer.headers["content-type"] == "application/json"


def test_predict_answers_objects_if_outputs_are_chosen(iris_server, iris_forest):
    chosen = {"x-amzn-sagemaker-custom-attributes": "outputs=probabilities"}
    answer = call(iris_server, "/v1/models/forest:predict", {"instances": [ROW]}, **chosen)
    expected = iris_forest.predict_proba([ROW])[0].tolist()
    assert answer.json() == {"predictions": [{"probabilities": expected}]}


def test_explain_answers_what_each_feature_contributed(iris_server, iris_forest):
    answer = call(iris_server, "/v1/models/forest:explain", {"instances": [ROW, ROW]}).json()
    assert list(answer) == ["explanations"]
    for row in answer["explanations"]:
        assert list(row["contributions"]) == list(IRIS_NAMES)
        total = np.add(row["expected_value"], np.sum([*row["contributions"].values()], axis=0))
        assert np.allclose(total, iris_forest.predict_proba([ROW])[0])


def test_several_targets_are_a_list_in_each_row(tmp_path, iris, start_serve):
    x = iris[0]
    forest = RandomForestRegressor(3, random_state=0).fit(x, x[:, :2])
    save_model(tmp_path / "model", forest, x)
    server = start_serve(tmp_path / "model").wait_until_ready()
    answer = call(server, "/v1/models/forest:predict", {"instances": x[:3].tolist()})
    assert np.array_equal(answer.json()["predictions"], forest.predict(x[:3]))


def test_a_model_of_one_feature_takes_a_list_of_values(tmp_path, iris, start_serve):
    x = iris[0][:, :1]
    forest = RandomForestRegressor(3, random_state=0).fit(x, iris[0][:, 1])
    server = start_serve(save_model(tmp_path / "model", forest, x, names=("foo",)))
    server.wait_until_ready()
    expected = forest.predict([[5], [6], [7]]).tolist()
    assert call(server, "/v1/models/forest:predict", {"instances": [5, 6, 7]}).json() == {
        "predictions": expected
    }
    for document in ({"instances": [5, 6, 7]}, [5, 6, 7]):
        answer = call(server, "/invocations", document)
        assert answer.json() == {"predictions": [{"score": value} for value in expected]}


def test_a_model_of_many_is_asked_by_its_name(model_dir, tmp_path):
    with serving(tmp_path / "model", SAGEMAKER_MULTI_MODEL="true") as server:
        assert httpx.get(server.url + "/v1/models").json() == {"models": []}
        load = {"model_name": "a:b", "url": str(model_dir)}
        assert call(server, "/models", load).status_code == 200
        assert httpx.get(server.url + "/v1/models").json() == {"models": ["a:b"]}
        answer = call(server, "/v1/models/a:b:predict", {"instances": [ROW]})
        assert answer.json() == {"predictions": ["virginica"]}


@pytest.mark.parametrize(
    ("document", "headers", "status", "fault"),
    [
        ({"instances": [ROW], "inputs": [ROW]}, {}, 400, 'has both "instances" and "inputs"'),
        (
            {"instances": [ROW], "params": {"a": 1}},
            {},
            400,
            "\"params\" is {'a': 1}; the model has",
        ),
        ({"instances": [ROW], "parameters": [1]}, {}, 400, '"parameters" is [1]; the model has no'),
        ({"instances": [ROW], "signature_name": "x"}, {}, 400, "\"signature_name\" is 'x'"),
        ({"instances": [ROW[:3]]}, {}, 400, "row 1 has 3 values"),
        (b"{", {}, 400, "the body is not JSON"),
        (b"1,2,3,4", {"content-type": "text/csv"}, 415, "V1 reads application/json"),
    ],
)
def test_what_cannot_be_answered_is_explained(iris_server, document, headers, status, fault):
    answer = call(iris_server, "/v1/models/forest:predict", document, **headers)
    assert answer.status_code == status
    assert fault in error_of(answer)
