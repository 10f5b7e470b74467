"""A model with categorical features: the same rows in every format, the estimator's answers."""

import csv
import io
import json
import struct

import grpc
import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub

import mixed_rows
from contract.test_content_types import ARROW, arrow, parquet, recordio, saved
from mixed_rows import CATEGORIES, COLORS, NAMES
from support import ask_over_grpc, error_of, save_model, serving

ROWS = mixed_rows.rows()
X = mixed_rows.coded(ROWS)
COLUMNS = {name: [row[place] for row in ROWS] for place, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def estimator():
    return mixed_rows.forest()


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory, estimator):
    directory = tmp_path_factory.mktemp("ml") / "model"
    return save_model(directory, *estimator, names=NAMES, categories=CATEGORIES)


@pytest.fixture(scope="module")
def server(model_dir):
    with serving(model_dir) as running:
        yield running


def invoke(server, content, media_type, accept="application/json"):
    headers = {"content-type": media_type, "accept": accept}
    return httpx.post(server.url + "/invocations", content=content, headers=headers, timeout=30)


def csv_text(rows, header=(), **options):
    file = io.StringIO()
    csv.writer(file, **options).writerows([header, *rows] if header else rows)
    return file.getvalue().encode()


def shuffled(seed):
    return np.random.default_rng(seed).permutation(len(NAMES)).tolist()


def with_header():
    order = shuffled(1)
    rows = [[row[place] for place in order] for row in ROWS]
    return csv_text(rows, [NAMES[place] for place in order], lineterminator="\n")


def named():
    return [{NAMES[place]: row[place] for place in shuffled(n)} for n, row in enumerate(ROWS)]


def lines(instances):
    return "\n".join(map(json.dumps, instances))


def frame():
    return pd.DataFrame(COLUMNS).astype({"is_new": "boolean", "code": "Int64"})


def table():
    return pa.Table.from_pandas(frame())


def with_categories():
    made = frame().astype({"color": "category"})[[NAMES[place] for place in shuffled(2)]]
    return pa.Table.from_pandas(made)


def as_text(value):
    return "" if value is None else str(value)


def texts():
    return [[as_text(value) for value in row] for row in ROWS]


TENSORS = [
    {"name": "code", "datatype": "BYTES", "shape": [60], "data": [row[3] for row in texts()]},
    {"name": "color", "datatype": "BYTES", "shape": [60, 1], "data": COLUMNS["color"]},
    {"name": "size", "datatype": "FP32", "shape": [60], "data": COLUMNS["size"]},
    {"name": "is_new", "datatype": "FP64", "shape": [60, 1],
     "data": [None if v is None else float(v) for v in COLUMNS["is_new"]]},
]  # fmt: skip
MATRIX = [{"name": "X", "datatype": "BYTES", "shape": [60, 4], "data": texts()}]


REQUESTS = {
    "csv": ("text/csv", lambda: csv_text(ROWS)),
    "csv, all quoted": ("text/csv", lambda: csv_text(ROWS, quoting=csv.QUOTE_ALL)),
    "csv, header": ("text/csv; header=present", with_header),
    "json, lists": ("application/json", lambda: json.dumps({"instances": ROWS})),
    "json, bare": ("application/json", lambda: json.dumps(ROWS)),
    "json, objects": ("application/json", lambda: json.dumps(named())),
    "json, features": (
        "application/json",
        lambda: json.dumps({"instances": [{"features": row} for row in ROWS]}),
    ),
    "json, values": (
        "application/json",
        lambda: json.dumps({"instances": [{"data": {"features": {"values": r}}} for r in ROWS]}),
    ),
    "json, sparse": ("application/json", lambda: json.dumps(sparse())),
    "json, split": (
        "application/json",
        lambda: frame()[["size", "code", "color", "is_new"]].to_json(orient="split"),
    ),
    "json, records": ("application/json", lambda: frame().to_json(orient="records")),
    "json lines, lists": ("application/jsonlines", lambda: lines(ROWS)),
    "json lines, objects": ("application/jsonlines", lambda: lines(named())),
    "parquet": ("application/x-parquet", lambda: parquet(table())),
    "parquet, pandas' categories": ("application/x-parquet", lambda: parquet(with_categories())),
    "arrow": (ARROW, lambda: arrow(table())),
    "arrow, pandas' categories": (ARROW, lambda: arrow(with_categories())),
    "v2": ("application/json", lambda: json.dumps({"inputs": TENSORS})),
    "v2, a matrix of texts": ("application/json", lambda: json.dumps({"inputs": MATRIX})),
    "npy, positions": ("application/x-npy", lambda: saved(np.save, X)),
    "recordio, positions": ("application/x-recordio-protobuf", lambda: recordio(X)),
    "json lines, features": (
        "application/jsonlines",
        lambda: lines([{"features": row} for row in ROWS]),
    ),
}


def sparse():
    kept = [{k: v for k, v in enumerate(row) if v is not None or k == 1} for row in ROWS]
    return [
        {"data": {"features": {"keys": [*row], "values": [*row.values()], "shape": [4]}}}
        for row in kept
    ]


@pytest.mark.parametrize("name", REQUESTS)
def test_every_format_gives_the_estimators_answers(server, estimator, name):
    media_type, write = REQUESTS[name]
    response = invoke(server, write(), media_type)
    assert response.status_code == 200, response.text
    document = response.json()
    if "outputs" in document:  # V2 is answered as V2.
        assert document["outputs"][0]["data"] == estimator[0].predict(X).tolist()
        return
    answers = document["predictions"]
    assert [a["predicted_label"] for a in answers] == estimator[0].predict(X).tolist()
    expected = estimator[0].predict_proba(X)
    assert np.array_equal([a["probabilities"] for a in answers], expected)


def test_the_rows_tell_each_feature_apart(estimator):
    """Else the tests above could not fail."""
    expected = estimator[0].predict_proba(X)
    for column in range(4):
        other = X.copy()
        other[:, column] = np.roll(other[:, column], 1)
        assert not np.array_equal(estimator[0].predict_proba(other), expected)


@pytest.mark.parametrize("is_whole", [True, False], ids=["in one piece", "in chunks"])
@pytest.mark.parametrize("repeats", [1, 500], ids=["few rows", "many rows"])
def test_many_rows_are_answered_as_few(server, estimator, repeats, is_whole):
    """Blocks of many rows are read by Arrow where no field is quoted."""
    plain = [row for row in ROWS if row[0] is None or not set('",\n') & set(row[0])]
    rows = plain * repeats
    content = csv_text(rows)
    response = invoke(server, content if is_whole else iter([content]), "text/csv", "text/csv")
    assert response.text.split() == estimator[0].predict(mixed_rows.coded(rows)).tolist()
    assert invoke(server, lines(rows), "application/jsonlines", "text/csv").text == response.text


def test_a_row_alone_is_answered_as_in_a_batch(server, estimator):
    labels = estimator[0].predict(X).tolist()
    for row, label in list(zip(ROWS, labels, strict=True))[:20]:
        assert invoke(server, csv_text([row]), "text/csv", "text/csv").text == f"{label}\n"
        content = json.dumps(row)
        assert invoke(server, content, "application/json", "text/csv").text == f"{label}\n"


BOOLEANS = {
    "text/csv": ["true", "True", "TRUE", "1", " true "],
    "application/json": ["true", '"true"', '"True"', '"TRUE"', "1", '"1"'],
}


@pytest.mark.parametrize(
    ("media_type", "spelling"), [(kind, text) for kind, texts in BOOLEANS.items() for text in texts]
)
def test_a_boolean_has_many_spellings(server, estimator, media_type, spelling):
    rows = mixed_rows.coded([["red", 0.5, True, 1], ["red", 0.5, False, 1]])
    false = spelling.replace("true", "false").replace("True", "False").replace("TRUE", "FALSE")
    for value, x in ((spelling, rows[:1]), (false.replace("1", "0"), rows[1:])):
        bare = media_type == "text/csv"
        content = f"red,0.5,{value},1" if bare else f'[["red", 0.5, {value}, 1]]'
        (answer,) = invoke(server, content, media_type).json()["predictions"]
        assert answer["probabilities"] == estimator[0].predict_proba(x)[0].tolist()


FAULTS = [
    (
        "text/csv",
        "red,1,true,7",
        (
            "row 1, column 4 (code): '7' is not one of this model's "
            "categories: '-3', '1', '10', '2'; send one of them, or an empty field (null in JSON)"
        ),
    ),
    (
        "text/csv",
        "red,1,true,1\nred,1,maybe,1",
        (
            "row 2, column 3 (is_new): 'maybe' is not one of "
            "this model's categories: 'false', 'true'"
        ),
    ),
    ("text/csv", "red,big,true,1", "row 1, column 2 (size): 'big' is not a number"),
    (
        "text/csv",
        "red,True,true,1",
        "(size): 'True' is not a number; send 1 for true and 0 for false",
    ),
    ("text/csv", "red,1,true", "row 1 has 3 values; the model expects 4 (color, size, is_new"),
    ("text/csv", "color,size,is_new,code\nred,1,1,1", "for a header line send Content-Type: text"),
    ("text/csv", "red,1,true,1\n" * 5000 + "red,1,true,7\n", "row 5001, column 4 (code): '7'"),
    (
        "text/csv",
        "red,1,true," + "9" * 5000,
        "'" + "9" * 39 + "... is not one of this model's categories",
    ),
    ("application/json", '[["red", "1", true, 1]]', "row 1, column 2 (size): '1' is not a number"),
    (
        "application/json",
        "[[1.5, 1, true, 1]]",
        (
            "row 1, column 1 (color): 1.5 is not a category; "
            "expected a string, an integer, true or false, or null"
        ),
    ),
    ("application/json", '[["red", 1, 1.0, 1]]', "row 1, column 3 (is_new): 1.0 is not a category"),
    ("application/json", '[["red", 1, 2, 1]]', "row 1, column 3 (is_new): '2' is not one of this"),
    (
        "application/json",
        '[[["red"], 1, true, 1]]',
        "row 1, column 1 (color): ['red'] is not a category",
    ),
    (
        "application/jsonlines",
        '{"color": {}, "size": 1, "is_new": 0, "code": 1}',
        "{} is not a category",
    ),
    (
        "application/json",
        ('{"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 4], "data": [6, 1, 0, 0]}]}'),
        (
            "row 1, column 1 (color): 6.0 is not a category code; "
            "in a matrix of numbers expected 0 to 5, the positions of 'a \"quoted\", word'"
        ),
    ),
    (
        "application/x-npy",
        saved(np.save, np.array([[0, 1, 0.5, 0]])),
        (
            "row 1, column 3 (is_new): "
            "0.5 is not a category code; in a matrix of numbers expected 0 to 1, the"
        ),
    ),
    ("text/libsvm", "0 0:-1 1:1 2:0 3:0", "-1.0 is not a category code"),
    (
        "application/x-parquet",
        parquet(pa.table({**COLUMNS, "color": [1.5] * 60})),
        ("column 'color' is of type double; expected strings, booleans or integers, because"),
    ),
    (
        ARROW,
        arrow(pa.table({**COLUMNS, "size": ["1"] * 60})),
        ("row 1, column 2 (size): '1' is not a number but text"),
    ),
    (ARROW, arrow(pa.table({**COLUMNS, "code": ["7"] * 60})), "row 1, column 4 (code): '7' is"),
]


@pytest.mark.parametrize(("media_type", "content", "fault"), FAULTS)
def test_a_fault_is_named_with_its_place(server, media_type, content, fault):
    response = invoke(server, content, media_type)
    assert response.status_code == 400
    assert fault in error_of(response)
    assert len(error_of(response)) < 500


def infer(server, tensors, **more):
    document = {"inputs": tensors, "outputs": [{"name": "predict_proba"}], **more}
    url = server.url + "/v2/models/forest/infer"
    return httpx.post(url, json=document, timeout=30)


def tensor(name, datatype, data):
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}


V2 = {
    "texts": TENSORS,
    "a matrix of texts": MATRIX,
    "a flat matrix of texts": [{**MATRIX[0], "data": [text for row in texts() for text in row]}],
    "positions": [
        {"name": name, "datatype": "FP64", "shape": [60],
         "data": [None if np.isnan(v) else v for v in X[:, place].tolist()]}
        for place, name in enumerate(NAMES)
    ],
    "a matrix of positions": [
        {"name": "X", "datatype": "FP32", "shape": [60, 4],
         "data": [[None if np.isnan(v) else v for v in row] for row in X.tolist()]}
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", V2)
def test_v2_over_rest_gives_the_estimators_answers(server, estimator, name):
    response = infer(server, V2[name])
    assert response.status_code == 200, response.text
    (output,) = response.json()["outputs"]
    assert np.array_equal(np.reshape(output["data"], (60, 3)), estimator[0].predict_proba(X))


def row_of_tensors(color=None, is_new=None):
    return [
        tensor("color", *(color or ("BYTES", ["red"]))),
        tensor("size", "INT8", [1]),
        tensor("is_new", *(is_new or ("BOOL", [True]))),
        tensor("code", "UINT64", [1]),
    ]


@pytest.mark.parametrize(
    ("color", "is_new", "row"),
    [
        (("BYTES", ["red"]), ("BOOL", [True]), ["red", 1, True, 1]),
        (("BYTES", ["true"]), ("BOOL", [False]), ["true", 1, False, 1]),
        (("BOOL", [True]), ("BYTES", ["TRUE"]), ["true", 1, True, 1]),
        (("INT32", [COLORS.index("red")]), ("UINT8", [1]), ["red", 1, True, 1]),
        (("BYTES", [None]), ("FP32", [None]), [None, 1, None, 1]),
        (("BYTES", ["mauve"]), ("BYTES", [""]), [None, 1, None, 1]),
    ],
)
def test_a_feature_of_words_may_come_in_several_datatypes(server, estimator, color, is_new, row):
    (output,) = infer(server, row_of_tensors(color, is_new)).json()["outputs"]
    assert output["data"] == estimator[0].predict_proba(mixed_rows.coded([row]))[0].tolist()


@pytest.mark.parametrize(
    ("tensors", "fault"),
    [
        (row_of_tensors(color=("BYTES", [1])), "input 'color' is declared BYTES but holds 1"),
        (row_of_tensors(color=("BYTES", [{}])), "input 'color' is declared BYTES but holds {}"),
        (row_of_tensors(color=("INT8", [99])), "99 is not a category code"),
        (row_of_tensors(is_new=("BYTES", ["so"])), "row 1, column 3 (is_new): 'so' is not one of"),
        (row_of_tensors(is_new=("BYTES", ["a" * 999])), "'" + "a" * 39 + "... is not one of"),
        ([*row_of_tensors()[:1], tensor("size", "BYTES", ["x"]), *row_of_tensors()[2:]],
         "row 1, column 2 (size): 'x' is not a number"),
        ([{**MATRIX[0], "shape": [1, 3], "data": ["a", "1", "1"]}],
         "input 'X' has shape [1, 3]; the model expects [n, 4] (4 (color, size, is_new, code))"),
        ([{**MATRIX[0], "shape": [1, 4], "data": ["red", "x", "1", "1"]}],
         "row 1, column 2 (size): 'x' is not a number"),
        ([{**MATRIX[0], "shape": [4], "data": ["red", "1", "1", "1"]}], "has shape [4]; the model"),
        ([{**MATRIX[0], "shape": [2, 4]}], "declares shape [2, 4] but holds"),
        ([{**MATRIX[0], "data": [["a"], ["b", "c"]]}], "its lists have different lengths"),
        ([{**tensor("color", "BYTES", ["red"]), "shape": [1] * 70}, *row_of_tensors()[1:]],
         "input 'color' has an impossible shape"),
    ],
)  # fmt: skip
def test_an_invalid_v2_request_is_refused_with_the_place_and_the_reason(server, tensors, fault):
    response = infer(server, tensors)
    assert response.status_code == 400, response.text
    assert fault in error_of(response)


def test_binary_tensors_hold_categories(server, estimator):
    parts, inputs = [], []
    for name, place in (("color", 0), ("code", 3)):
        words = [row[place].encode() for row in texts()]
        parts.append(b"".join(struct.pack("<I", len(word)) + word for word in words))
        inputs.append({"name": name, "datatype": "BYTES", "shape": [60]})
    for name, place in (("size", 1), ("is_new", 2)):
        parts.append(X[:, place].astype("<f4").tobytes())
        inputs.append({"name": name, "datatype": "FP32", "shape": [60]})
    for entry, part in zip(inputs, parts, strict=True):
        entry["parameters"] = {"binary_data_size": len(part)}
    text = json.dumps({"inputs": inputs, "outputs": [{"name": "predict_proba"}]}).encode()
    response = httpx.post(
        server.url + "/v2/models/forest/infer",
        content=text + b"".join(parts),
        headers={"inference-header-content-length": str(len(text))},
    )
    (output,) = response.json()["outputs"]
    assert np.array_equal(np.reshape(output["data"], (60, 3)), estimator[0].predict_proba(X))
    broken = text + b"".join(
        [parts[0].replace("été".encode(), b"\xff\xff\xff\xff\xff"), *parts[1:]]
    )
    response = httpx.post(
        server.url + "/v2/models/forest/infer",
        content=broken,
        headers={"inference-header-content-length": str(len(text))},
    )
    assert response.status_code == 400
    assert "which is not UTF-8" in error_of(response)


@pytest.fixture(scope="module")
def stub(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield GRPCInferenceServiceStub(channel)


def grpc_request(*tensors):
    request = pb.ModelInferRequest(model_name="forest")
    request.outputs.add(name="predict_proba")
    for name, datatype, contents, values in tensors:
        made = request.inputs.add(name=name, datatype=datatype, shape=[len(values), 1])
        getattr(made.contents, contents).extend(values)
    return request


def encoded(place):
    return [row[place].encode() for row in texts()]


def test_grpc_gives_the_estimators_answers(stub, estimator):
    request = grpc_request(
        ("color", "BYTES", "bytes_contents", encoded(0)),
        ("size", "FP32", "fp32_contents", X[:, 1].tolist()),
        ("is_new", "BYTES", "bytes_contents", encoded(2)),
        ("code", "BYTES", "bytes_contents", encoded(3)),
    )
    (output,) = stub.ModelInfer(request).outputs
    found = np.reshape(output.contents.fp64_contents, (60, 3))
    assert np.array_equal(found, estimator[0].predict_proba(X))


def test_tritonclient_gives_the_estimators_answers(server, estimator):
    tensors = [
        ["color", "BYTES", [row[0] for row in texts()]],
        ["size", "FP32", [None if np.isnan(v) else v for v in X[:, 1].tolist()]],
        ["is_new", "FP32", [None if np.isnan(v) else v for v in X[:, 2].tolist()]],
        ["code", "BYTES", [row[3] for row in texts()]],
    ]
    answer = ask_over_grpc(server.grpc_port, [], tensors=tensors, outputs=["predict_proba"])
    assert np.array_equal(answer["predict_proba"], estimator[0].predict_proba(X))
    assert answer["datatypes"] == ["BOOL", "BYTES", "FP32"]


def test_an_invalid_grpc_request_is_refused_with_the_place_and_the_reason(stub):
    others = [
        ("size", "FP32", "fp32_contents", [1.0]),
        ("is_new", "BOOL", "bool_contents", [True]),
        ("code", "INT64", "int64_contents", [1]),
    ]
    for color, fault in (
        (
            ("color", "BYTES", "bytes_contents", [b"\xff"]),
            "element 1 is b'\\xff', which is not UTF",
        ),
        (("color", "FP32", "fp32_contents", [0.5]), "0.5 is not a category code"),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(grpc_request(color, *others))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert fault in caught.value.details()


def test_the_metadata_tell_the_words(server, stub):
    document = httpx.get(server.url + "/v2/models/forest").json()
    inputs = {tensor["name"]: tensor for tensor in document["inputs"]}
    assert {name: tensor["datatype"] for name, tensor in inputs.items()} == {
        "color": "BYTES", "size": "FP32", "is_new": "BOOL", "code": "BYTES",
    }  # fmt: skip
    assert inputs["color"]["parameters"]["categories"] == list(COLORS)
    assert inputs["code"]["parameters"]["unseen"] == "error"
    message = stub.ModelMetadata(pb.ModelMetadataRequest(name="forest"))
    color, size, is_new, code = message.inputs
    assert json.loads(color.parameters["categories"].string_param) == list(COLORS)
    assert color.parameters["unseen"].string_param == "missing"
    assert code.parameters["unseen"].string_param == "error"
    assert [size.datatype, is_new.datatype] == ["FP32", "BOOL"]
    predict = message.outputs[0]
    assert json.loads(predict.parameters["classes"].string_param) == ["no", "perhaps", "yes"]
