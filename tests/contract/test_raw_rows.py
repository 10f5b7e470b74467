"""A packed pipeline on every face of the server: raw rows in, the pipeline's answers out."""

import io
import json

import httpx
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import mlserver_forest
from support import ask_over_grpc, error_of, serving

FEATURES = ["sex", "age", "fare", "class"]


def table():
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "name": [f"passenger {place}" for place in range(200)],
            "sex": rng.choice(["female", "male"], 200),
            "age": np.where(rng.random(200) < 0.2, np.nan, rng.normal(30, 12, 200).round(1)),
            "fare": rng.exponential(30, 200).round(2),
            "class": rng.choice(["first", "second"], 200),
        }
    )


@pytest.fixture(scope="module")
def pipeline():
    frame = table()
    prepared = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
        (StandardScaler(), ["fare"]),
        (OneHotEncoder(), ["sex"]),
        (OneHotEncoder(handle_unknown="ignore"), ["class"]),
    )
    last = RandomForestClassifier(5, random_state=0, criterion="entropy")
    y = (frame["sex"] == "female") ^ (frame["fare"] > 30)
    return make_pipeline(prepared, last).fit(frame, y)


@pytest.fixture(scope="module")
def server(pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipeline")
    mlserver_forest.pack(pipeline, folder / "model", sample=table())
    with serving(folder / "model") as found:
        yield found


@pytest.fixture(scope="module")
def rows():
    """Rows with a gap, and with a class that training did not see."""
    frame = table().head(6)
    frame.loc[1, "age"] = np.nan
    frame.loc[2, "class"] = "third"
    return frame


def probabilities(server, body, content_type):
    headers = {
        "content-type": content_type,
        "accept": "application/json",
        "x-amzn-sagemaker-custom-attributes": "outputs=probabilities",
    }
    answer = httpx.post(server.url + "/invocations", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return [row["probabilities"] for row in answer.json()["predictions"]]


def as_json(frame):
    return json.loads(frame.to_json(orient="records"))


def test_every_format_gives_the_pipelines_probabilities(server, pipeline, rows):
    expected = pipeline.predict_proba(rows).tolist()
    parquet = io.BytesIO()
    rows.to_parquet(parquet)
    bodies = {
        "text/csv; header=present": rows.to_csv(index=False).encode(),
        "text/csv": rows[FEATURES].to_csv(index=False, header=False).encode(),
        "application/json": json.dumps({"instances": as_json(rows)}).encode(),
        "application/jsonlines": "\n".join(map(json.dumps, as_json(rows[FEATURES]))).encode(),
        "application/x-parquet": parquet.getvalue(),
    }
    for content_type, body in bodies.items():
        assert probabilities(server, body, content_type) == expected, content_type


def test_v2_gives_them_over_rest_and_grpc(server, pipeline, rows):
    full = rows[rows["age"].notna()]
    inputs = [
        {
            "name": name,
            "shape": [len(full), 1],
            "datatype": "BYTES" if name in ("sex", "class") else "FP64",
            "data": full[name].tolist(),
        }
        for name in FEATURES
    ]
    document = {"inputs": inputs, "outputs": [{"name": "predict_proba"}]}
    answer = httpx.post(server.url + "/v2/models/forest/infer", json=document)
    expected = pipeline.predict_proba(full).ravel().tolist()
    assert answer.json()["outputs"][0]["data"] == expected
    codes = full[FEATURES].assign(
        sex=(full["sex"] == "male") * 1.0,
        **{"class": full["class"].map({"first": 0, "second": 1, "third": 2})},
    )
    found = ask_over_grpc(server.grpc_port, codes.to_numpy(float).tolist())
    assert [bool(label) for [label] in found["predict"]] == pipeline.predict(full).tolist()


def test_the_metadata_describe_the_raw_columns(server):
    described = httpx.get(server.url + "/v2/models/forest").json()
    by_name = {tensor["name"]: tensor for tensor in described["inputs"]}
    assert list(by_name) == FEATURES
    assert by_name["sex"]["parameters"]["unseen"] == "error"
    assert by_name["sex"]["parameters"]["missing"] is False
    assert by_name["class"]["parameters"]["unseen"] == "category"
    assert by_name["fare"]["parameters"]["maximum"] > 1e38
    assert by_name["age"]["datatype"] == "FP64"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"sex": "other"}, "'other' is not one of this model's categories: 'female', 'male'"),
        ({"sex": None}, "(sex) is missing; this feature does not accept missing values"),
        ({"sex": 3}, "'3' is not one of this model's categories"),
        ({"fare": "cheap"}, "'cheap' is not a number"),
        ({"fare": 1e300}, "(fare): 1e+300 is out of the range that this model can compute with"),
        ({"fare": ...}, "missing 'fare'"),
    ],
)
def test_bad_input_is_refused_where_it_is(server, rows, change, expected):
    row = {**as_json(rows[FEATURES])[0], **change}
    body = json.dumps({"instances": [{k: v for k, v in row.items() if v is not ...}]})
    answer = httpx.post(
        server.url + "/invocations", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert expected in error_of(answer)


def test_reasons_are_by_raw_column(server, rows, pipeline):
    headers = {
        "content-type": "application/json",
        "accept": "application/json",
        "x-amzn-sagemaker-custom-attributes": "outputs=contributions,expected_value",
    }
    body = json.dumps({"instances": as_json(rows)})
    answer = httpx.post(server.url + "/invocations", content=body, headers=headers)
    for row, expected in zip(
        answer.json()["predictions"], pipeline.predict_proba(rows), strict=True
    ):
        assert list(row["contributions"]) == FEATURES
        total = np.sum(list(row["contributions"].values()), axis=0) + row["expected_value"]
        np.testing.assert_allclose(total, expected, atol=1e-9)
