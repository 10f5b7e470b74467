"""The request log of real servers: what the model read, and what it answered, on every route."""

import csv
import io
import json
import time

import boto3
import grpc
import httpx
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub

import mixed_rows
from mixed_rows import CATEGORIES, NAMES
from mlserver_forest.artifact import model_directory
from mlserver_forest.evaluation.command.labeled_file import LabeledFile
from support import IRIS_NAMES, save_model, serving

ROWS = mixed_rows.rows(40)
X = mixed_rows.coded(ROWS)
N_LARGE = 3000


@pytest.fixture(scope="module")
def mixed_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ml") / "model"
    return save_model(directory, *mixed_rows.forest(), names=NAMES, categories=CATEGORIES)


def text_of(rows):
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()


def v2_request(rows, id_):
    """One BYTES tensor of texts, as CSV fields."""
    texts = [field for row in csv.reader(io.StringIO(text_of(rows).decode())) for field in row]
    tensor = {"name": "X", "shape": [len(rows), len(NAMES)], "datatype": "BYTES", "data": texts}
    return {"id": id_, "inputs": [tensor]}


def over_grpc(port, rows, id_):
    document = v2_request(rows, id_)["inputs"][0]
    tensor = pb.ModelInferRequest.InferInputTensor(
        name="X", datatype="BYTES", shape=document["shape"]
    )
    tensor.contents.bytes_contents.extend(text.encode() for text in document["data"])
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        request = pb.ModelInferRequest(model_name="forest", id=id_, inputs=[tensor])
        GRPCInferenceServiceStub(channel).ModelInfer(request)


def read_log(folder):
    files = sorted(folder.rglob("*.parquet"))
    frames = [pq.read_table(path).to_pandas() for path in files]
    return files, pd.concat(frames).sort_values(["request_id", "row"], ignore_index=True)


def metric(server, name):
    lines = httpx.get(server.url + "/metrics").text.splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if name in line
    }


def test_the_log_holds_what_the_model_read_and_answered_on_every_route(mixed_dir, tmp_path):
    """Words, booleans, unseen and missing values; small bodies and large ones."""
    folder = tmp_path / "log"
    large = mixed_rows.rows(N_LARGE, seed=5)
    variables = {"FOREST_REQUEST_LOG": str(folder), "MODEL_SERVER_WORKERS": "2"}
    with serving(mixed_dir, **variables) as server, httpx.Client(base_url=server.url) as client:

        def invoke(id_, content, media_type="text/csv", **headers):
            headers = {"content-type": media_type, "x-amzn-sagemaker-inference-id": id_, **headers}
            response = client.post("/invocations", content=content, headers=headers)
            assert response.status_code == 200, response.text
            return response.text

        began = time.time()
        attributes = {"x-amzn-sagemaker-custom-attributes": "trace=7;outputs=probabilities"}
        invoke("a", text_of(ROWS), **attributes)
        named = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
        invoke("b", json.dumps(named).encode(), "application/json")
        invoke("c", text_of(large))
        v2 = json.dumps(v2_request(ROWS, "d"))
        assert client.post("/v2/models/forest/infer", content=v2).json()["id"] == "d"
        invoke("-", v2, "application/json")
        over_grpc(server.grpc_port, ROWS, "e")
        # A refused request has no answer to log.
        assert client.post("/invocations", content="1,2", headers={"content-type": "text/csv"})
        code, out, _ = server.stop()
        assert code == 0, out
    files, log = read_log(folder)
    assert {path.parts[-4:-1][:2] for path in files} == {("forest", "1")}
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]
    routes = log.groupby("request_id")["route"].unique().map(list).to_dict()
    assert routes == {
        "a": ["/invocations"], "b": ["/invocations"], "c": ["/invocations"],
        "d": ["/v2/models/{name}/infer", "/invocations"],
        "e": ["/inference.GRPCInferenceService/ModelInfer"],
    }  # fmt: skip
    model = model_directory.load(mixed_dir)
    for id_, x in {"a": X, "b": X, "c": mixed_rows.coded(large), "e": X}.items():
        found = log[log["request_id"] == id_]
        assert found["row"].tolist() == list(range(len(x)))
        path = tmp_path / f"{id_}.parquet"
        found.to_parquet(path)
        np.testing.assert_array_equal(LabeledFile(path, model.schema, []).x, x)
        assert found["predict"].tolist() == model.predict(x).tolist()
        np.testing.assert_array_equal(np.stack(found["predict_proba"]), model.predict_proba(x))
    first = log.iloc[0]
    assert (first["inference_id"], first["model"], first["version"]) == ("a", "forest", "1")
    assert first["custom_attributes"] == "trace=7;outputs=probabilities"
    assert log["inference_id"][log["route"].str.startswith("/v2")].isna().all()
    assert log["time"].dt.tz is not None
    assert (
        log["time"].between(pd.Timestamp(began, unit="s", tz="UTC"), pd.Timestamp.now("UTC")).all()
    )
    assert (log["seconds"] > 0).all()
    assert "(unseen)" in log["color"].unique()


def test_a_sample_without_some_columns_goes_to_s3(model_dir, iris, tmp_path, moto):
    """Rows of one number are answered on the short path; the file is there without an end."""
    client = boto3.client(
        "s3", endpoint_url=moto, aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key="secret",
        region_name="us-east-1",
    )  # fmt: skip
    client.create_bucket(Bucket="logs")
    variables = {
        "FOREST_REQUEST_LOG": "s3://logs/of/requests/",
        "FOREST_REQUEST_LOG_SAMPLE": "0.3",
        "FOREST_REQUEST_LOG_DROP": "petal_width, custom_attributes",
        "FOREST_REQUEST_LOG_INTERVAL": "1",
        "AWS_ENDPOINT_URL": moto,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with serving(model_dir, **variables) as server, httpx.Client() as http:
        headers = {"content-type": "text/csv"}
        for row in iris[0]:
            content = ",".join(map(str, row.tolist()))
            http.post(server.url + "/invocations", content=content, headers=headers)
        while not (counts := metric(server, "forest_request_log_rows_total{")):
            time.sleep(0.05)
        found = client.list_objects_v2(Bucket="logs")["Contents"]
        assert found[0]["Key"].startswith("of/requests/forest/1/20")
    tables = [
        pq.read_table(io.BytesIO(client.get_object(Bucket="logs", Key=one["Key"])["Body"].read()))
        for one in client.list_objects_v2(Bucket="logs")["Contents"]
    ]
    client.close()
    assert counts == {
        'forest_request_log_rows_total{model="forest",outcome="written"}': len(tables[0])
    }
    rows = pd.concat([table.to_pandas() for table in tables])
    assert 10 < len(rows) < 100
    assert rows["request_id"].str.fullmatch("[0-9a-f]{32}").all()
    assert not {"petal_width", "custom_attributes"} & set(rows)
    known = {tuple(row) for row in iris[0][:, :3].tolist()}
    assert set(map(tuple, rows[list(IRIS_NAMES[:3])].to_numpy().tolist())) <= known


def test_rows_that_cannot_be_written_are_counted_and_no_request_waits(model_dir, tmp_path):
    folder = tmp_path / "log"
    variables = {"FOREST_REQUEST_LOG": str(folder), "FOREST_REQUEST_LOG_INTERVAL": "1"}
    with serving(model_dir, **variables) as server, httpx.Client() as http:
        (folder / "forest").write_text("in the way")
        headers = {"content-type": "text/csv"}
        many = "5.9,3.0,5.1,1.8\n" * 400_000  # More than a worker keeps.
        for content in ("5.9,3.0,5.1,1.8", many):
            answer = http.post(server.url + "/invocations", content=content, headers=headers)
            assert answer.status_code == 200
        while len(counts := metric(server, "forest_request_log_rows_total{")) < 2:
            time.sleep(0.05)
        assert counts == {
            'forest_request_log_rows_total{model="forest",outcome="failed"}': 1,
            'forest_request_log_rows_total{model="forest",outcome="dropped"}': 400_000,
        }
        _, out, _ = server.stop()
    assert out.count("the request log cannot be written: ") == 1


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"FOREST_REQUEST_LOG_DROP": "petal_widht"},
            "serve: FOREST_REQUEST_LOG_DROP names 'petal_widht', which no column of the model's",
        ),
        (
            {"FOREST_REQUEST_LOG": "ftp://x/y"},
            "serve: FOREST_REQUEST_LOG is 'ftp://x/y'; expected a folder, or s3://bucket/prefix\n",
        ),
        (
            {"FOREST_REQUEST_LOG": "/proc/version/log"},
            "serve: FOREST_REQUEST_LOG is '/proc/version/log', which cannot be written: ",
        ),
    ],
)
def test_a_wrong_setting_ends_the_start(model_dir, tmp_path, start_serve, variables, message):
    server = start_serve(model_dir, **{"FOREST_REQUEST_LOG": str(tmp_path / "log"), **variables})
    server.process.wait(60)
    assert server.process.communicate()[1].startswith(message)
