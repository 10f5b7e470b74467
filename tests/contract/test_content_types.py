"""Content types: every one in, every one out, with the same answers."""

import csv
import io
import json
import struct

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse
from sklearn.datasets import dump_svmlight_file

from support import IRIS_NAMES, serving

ARROW = "application/vnd.apache.arrow.stream"
RECORDIO = "application/x-recordio-protobuf"


@pytest.fixture(scope="module")
def sample(iris):
    """Twelve rows of iris with all three species, float64."""
    return iris[0][::13].astype(np.float64)


def frame(x):
    return pd.DataFrame(x, columns=IRIS_NAMES)


def parquet(table):
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def arrow(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def saved(write, *arguments, **options):
    file = io.BytesIO()
    write(file, *arguments, **options)
    return file.getvalue()


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def recordio(x):
    """As the SageMaker SDK writes it: Record{features["values"]: Value{float32_tensor}}."""
    out = b""
    for row in x.astype("<f4"):
        tensor = field(1, row.tobytes())
        record = field(1, field(1, b"values") + field(2, field(2, tensor)))
        out += struct.pack("<II", 0xCED7230A, len(record)) + record + b"\0" * (-len(record) % 4)
    return out


def named(x):
    return [dict(zip(IRIS_NAMES, row, strict=True)) for row in x.tolist()]


REQUESTS = {
    "csv": ("text/csv", lambda x: "\n".join(",".join(map(str, row)) for row in x.tolist())),
    "csv, CRLF, quoted, BOM": (
        "text/csv",
        lambda x: (
            "\ufeff" + "\r\n".join(",".join(f'"{v}"' for v in row) for row in x.tolist()) + "\r\n"
        ),
    ),
    "csv, header": (
        "text/csv; header=present",
        lambda x: frame(x)[[*IRIS_NAMES[::-1]]].to_csv(index=False),
    ),
    "lists": ("application/json", lambda x: json.dumps(x.tolist())),
    "instances": ("application/json", lambda x: json.dumps({"instances": x.tolist()})),
    "features": (
        "application/json",
        lambda x: json.dumps({"instances": [{"features": row} for row in x.tolist()]}),
    ),
    "features, nested": (
        "application/json",
        lambda x: json.dumps(
            {
                "instances": [{"data": {"features": {"values": row}}} for row in x.tolist()],
                "configuration": {},
            }
        ),
    ),
    "features, sparse": (
        "application/json",
        lambda x: json.dumps(
            {
                "instances": [
                    {"data": {"features": {"keys": [0, 1, 2, 3], "shape": [4], "values": row}}}
                    for row in x.tolist()
                ]
            }
        ),
    ),
    "named": ("application/json", lambda x: json.dumps({"instances": named(x)})),
    "split": ("application/json", lambda x: frame(x).to_json(orient="split")),
    "records": ("application/json", lambda x: frame(x).to_json(orient="records")),
    "dataframe_split": (
        "application/json",
        lambda x: json.dumps({"dataframe_split": json.loads(frame(x).to_json(orient="split"))}),
    ),
    "dataframe_records": (
        "application/json; charset=utf-8",
        lambda x: json.dumps({"dataframe_records": named(x)}),
    ),
    "jsonlines": (
        "application/jsonlines",
        lambda x: "\n".join(json.dumps({"features": row}) for row in x.tolist()),
    ),
    "x-jsonlines": (
        "application/x-jsonlines",
        lambda x: "\n".join(json.dumps(row) for row in x.tolist()) + "\n",
    ),
    "x-ndjson": ("application/x-ndjson", lambda x: frame(x).to_json(orient="records", lines=True)),
    "npy": ("application/x-npy", lambda x: saved(np.save, x)),
    "npy, Fortran": ("application/x-npy", lambda x: saved(np.save, np.asfortranarray(x))),
    "npz, csr": (
        "application/x-npz",
        lambda x: saved(scipy.sparse.save_npz, scipy.sparse.csr_matrix(x)),
    ),
    "npz, coo": (
        "application/x-npz",
        lambda x: saved(scipy.sparse.save_npz, scipy.sparse.coo_matrix(x)),
    ),
    "parquet": (
        "application/x-parquet",
        lambda x: parquet(pa.table(frame(x)[[*IRIS_NAMES[::-1]]])),
    ),
    "parquet by pandas": ("application/x-parquet", lambda x: frame(x)[2:].to_parquet()),
    "arrow": (ARROW, lambda x: arrow(pa.table(frame(x)))),
    "libsvm": (
        "text/libsvm; index_base=1",
        lambda x: saved_svm(x, zero_based=False),
    ),
    "libsvm from 0": ("text/libsvm", lambda x: saved_svm(x, zero_based=True)),
    "recordio": (RECORDIO, recordio),
}


def saved_svm(x, *, zero_based):
    file = io.BytesIO()
    dump_svmlight_file(x, np.zeros(len(x)), file, zero_based=zero_based)
    return file.getvalue()


def invoke(server, content, content_type, accept=None, **more):
    headers = {"content-type": content_type, **more}
    if accept is not None:
        headers["accept"] = accept
    return httpx.post(server.url + "/invocations", content=content, headers=headers)


@pytest.mark.parametrize("name", REQUESTS)
def test_every_request_gets_the_same_answer(iris_server, iris_forest, sample, name):
    content_type, write = REQUESTS[name]
    rows = sample[2:] if "pandas" in name else sample
    response = invoke(iris_server, write(sample), content_type, "application/json")
    assert response.status_code == 200, response.text
    predictions = response.json()["predictions"]
    assert [row["predicted_label"] for row in predictions] == iris_forest.predict(rows).tolist()
    probabilities = [row["probabilities"] for row in predictions]
    assert probabilities == iris_forest.predict_proba(rows).tolist()


def records_of(body):
    """The raw protobuf messages between RecordIO's frames."""
    while body:
        magic, length = struct.unpack_from("<II", body)
        assert magic == 0xCED7230A
        yield body[8 : 8 + length]
        body = body[8 + length + -length % 4 :]


def test_every_answer_holds_the_same(iris_server, iris_forest, sample):
    labels = iris_forest.predict(sample).tolist()
    probabilities = iris_forest.predict_proba(sample)
    body = json.dumps(sample.tolist())

    def ask(accept):
        response = invoke(iris_server, body, "application/json", accept)
        assert response.status_code == 200
        assert response.headers["content-type"] == accept
        return response.content

    assert ask("text/csv").decode() == "".join(f"{label}\n" for label in labels)
    objects = [
        {"predicted_label": label, "probabilities": row}
        for label, row in zip(labels, probabilities.tolist(), strict=True)
    ]
    assert json.loads(ask("application/json")) == {"predictions": objects}
    for name in ("application/jsonlines", "application/x-jsonlines", "application/x-ndjson"):
        lines = ask(name).decode()
        assert lines.endswith("\n")
        assert [json.loads(line) for line in lines.splitlines()] == objects
    array = np.load(io.BytesIO(ask("application/x-npy")), allow_pickle=False)
    assert array.tolist() == labels
    for table in (
        pq.read_table(io.BytesIO(ask("application/x-parquet"))),
        pa.ipc.open_stream(ask(ARROW)).read_all(),
    ):
        assert table.to_pylist() == objects
    records = list(records_of(ask(RECORDIO)))
    assert len(records) == len(labels)
    for record, label, row in zip(records, labels, probabilities, strict=True):
        assert label.encode() in record
        assert row.astype("<f4").tobytes() in record


SELECTED = "predicted_label,labels,probability,probabilities,raw_score,raw_scores"


def test_outputs_are_chosen_by_the_operator_and_by_the_request(model_dir, iris_forest, sample):
    with serving(model_dir, SAGEMAKER_INFERENCE_OUTPUT=" probability , predicted_label ") as server:
        (row,) = iris_forest.predict_proba(sample[:1]).tolist()
        body = ",".join(map(str, sample[0]))
        assert invoke(server, body, "text/csv").text == f"{max(row)!r},setosa\n"
        more = {"x-amzn-sagemaker-custom-attributes": f"outputs={SELECTED}"}
        answer = invoke(server, body, "text/csv", "application/json", **more).json()
        assert answer["predictions"] == [
            {
                "predicted_label": "setosa",
                "labels": ["setosa", "versicolor", "virginica"],
                "probability": max(row),
                "probabilities": row,
                "raw_score": max(row),
                "raw_scores": row,
            }
        ]
        (fields,) = csv.reader(io.StringIO(invoke(server, body, "text/csv", **more).text))
        assert fields == [
            "setosa",
            '["setosa", "versicolor", "virginica"]',
            repr(max(row)),
            str(row),
            repr(max(row)),
            str(row),
        ]
        wrong = {"x-amzn-sagemaker-custom-attributes": "outputs=predicted_score"}
        response = invoke(server, body, "text/csv", **wrong)
        assert response.status_code == 400
        assert "has predicted_label, labels, probability" in response.json()["error"]


def test_an_output_that_no_model_has_is_refused_at_start(start_serve, model_dir):
    server = start_serve(model_dir, SAGEMAKER_INFERENCE_OUTPUT="predicted_label,shap")
    _, err = server.process.communicate(timeout=60)
    assert server.process.returncode == 1
    assert err.startswith("serve: SAGEMAKER_INFERENCE_OUTPUT names 'shap'; expected some of")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "text/csv"),
        ("", "text/csv"),
        ("*/*", "text/csv"),
        ("application/*", "application/json"),
        ("text/csv, application/json", "text/csv"),
        ("application/json, text/csv;q=0.9", "application/json"),
        ("application/json;q=0.1, text/csv;q=0", "application/json"),
        ("image/png, */*;q=0.1", "text/csv"),
        ("application/json; verbose=true", "application/json"),
        ("APPLICATION/JSON", "application/json"),
        ("application/x-parquet", "application/x-parquet"),
    ],
)
def test_accept_is_read_as_http_defines_it(iris_server, accept, expected):
    response = invoke(iris_server, "5.9,3.0,5.1,1.8", "text/csv", accept)
    assert (response.status_code, response.headers["content-type"]) == (200, expected)


@pytest.mark.parametrize("accept", ["image/png", "text/libsvm", "application/json;q=0"])
def test_an_answer_that_cannot_be_written_is_a_406_that_names_those_that_can(iris_server, accept):
    response = invoke(iris_server, "5.9,3.0,5.1,1.8", "text/csv", accept)
    assert response.status_code == 406
    assert "application/x-recordio-protobuf" in response.json()["error"]


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/libsvm", "text/csv"),
        ("application/x-npz", "application/x-npy"),
        ("application/x-ndjson", "application/x-ndjson"),
    ],
)
def test_by_default_the_answer_is_of_the_requests_family(
    iris_server, sample, content_type, expected
):
    write = dict(REQUESTS.values())[content_type]
    assert invoke(iris_server, write(sample), content_type).headers["content-type"] == expected


@pytest.mark.parametrize(
    ("content_type", "fault"),
    [
        ("text/csv; charset=klingon", "charset 'klingon' is not"),
        ("application/octet-stream", "Content-Type 'application/octet-stream'; expected one of"),
        ("application/x-npy-2", "expected one of text/csv, application/json, application/jsonl"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_415_that_names_those_that_can(
    iris_server, content_type, fault
):
    response = invoke(iris_server, "1,2,3,4", content_type)
    assert response.status_code == 415
    assert fault in response.json()["error"]


def test_a_missing_value_is_the_same_in_every_format(iris_server, iris_forest, sample):
    rows = sample.copy()
    rows[::2, 1] = np.nan
    rows[1::3, 3] = np.nan
    expected = iris_forest.predict_proba(rows).tolist()
    lists = [[None if np.isnan(value) else value for value in row] for row in rows.tolist()]
    bodies = [
        ("text/csv", frame(rows).to_csv(index=False, header=False)),
        ("application/json", json.dumps(lists)),
        ("application/json", frame(rows).to_json(orient="split")),
        ("application/jsonlines", "\n".join(map(json.dumps, lists))),
        ("application/x-npy", saved(np.save, rows)),
        ("application/x-parquet", frame(rows).to_parquet()),
        (ARROW, arrow(pa.table({name: pa.array(column, pa.float64(), from_pandas=True)
                                for name, column in zip(IRIS_NAMES, rows.T, strict=True)}))),
        (RECORDIO, recordio(rows)),
    ]  # fmt: skip
    for content_type, body in bodies:
        response = invoke(iris_server, body, content_type, "application/json")
        found = [row["probabilities"] for row in response.json()["predictions"]]
        assert found == expected, content_type
