"""``forest predict``: the server's answers, from files of every format to files of every format."""

import bz2
import csv
import gzip
import io
import json
import lzma

import httpx
import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

import mixed_rows
from mixed_rows import CATEGORIES, NAMES
from mlserver_forest.artifact import model_directory
from scoring.scored import predict, table_of
from support import IRIS_NAMES, save_model, serving

ROWS = mixed_rows.rows(300)
IDS = [f"{row:05d}" for row in range(len(ROWS))]
OUTPUTS = ("predicted_label", "probabilities", "out_of_range", "out_of_range_features")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """The directory of a model of words, numbers, booleans and gaps."""
    directory = tmp_path_factory.mktemp("mixed") / "model"
    estimator, x = mixed_rows.forest()
    return save_model(
        directory, estimator, x, names=NAMES, categories=CATEGORIES, has_baseline=True
    )


def csv_text(names, rows):
    file = io.StringIO()
    csv.writer(file).writerows([names, *rows])
    return file.getvalue().encode()


def as_csv(rows=ROWS):
    return csv_text(NAMES, rows)


def columns():
    found = dict(zip(NAMES, map(list, zip(*ROWS, strict=True)), strict=True))
    # Other types than the features', in another order, and columns that are no features.
    when = np.datetime64("2024-01-31T10:00", "ms") + np.arange(len(ROWS))
    return {
        "id": pa.array(IDS),
        **{name: pa.array(found[name]) for name in reversed(NAMES)},
        "when": pa.array(when),
        "count": pa.array([None, *range(1, len(ROWS))], pa.int16()),
        "tags": pa.array([["a", "b"]] * len(ROWS)),
    }


def written(table, kind):
    sink = io.BytesIO()
    if kind == "parquet":
        pa.parquet.write_table(table, sink, row_group_size=70)
    elif kind == "stream":
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=90)
    else:
        pa.feather.write_feather(table, sink)
    return sink.getvalue()


def invoke(server, content, content_type, accept):
    attributes = {"X-Amzn-SageMaker-Custom-Attributes": f"outputs={','.join(OUTPUTS)}"}
    headers = {"content-type": content_type, "accept": accept, **attributes}
    found = httpx.post(server.url + "/invocations", content=content, headers=headers, timeout=60)
    assert found.status_code == 200, found.text
    return found.content


def test_the_answers_are_the_servers_to_the_bit_whatever_the_format(mixed, tmp_path):
    """And those of the Python API; a file of answers holds the same bytes as a response."""
    (tmp_path / "new.csv").write_bytes(as_csv())
    with serving(mixed, MODEL_SERVER_WORKERS="1") as server:
        types = {
            "jsonl": "application/jsonlines",
            "parquet": "application/x-parquet",
            "arrow": "application/vnd.apache.arrow.stream",
            "csv": "text/csv",
        }
        for extension, accept in types.items():
            out = tmp_path / f"scored.{extension}"
            said = predict(
                mixed, tmp_path / "new.csv", "--out", out, "--outputs", ",".join(OUTPUTS)
            )
            assert said.startswith(f"300 rows to {out} in ")
            answer = invoke(server, as_csv(), "text/csv; header=present", accept)
            if extension == "csv":
                answer = ",".join(OUTPUTS).encode() + b"\n" + answer
                assert out.read_bytes() == answer + b"\n" * (not answer.endswith(b"\n"))
            else:
                assert out.read_bytes() == answer
    model = model_directory.load(mixed)
    probabilities = [row["probabilities"] for row in table_of(tmp_path / "scored.jsonl")]
    frame = {name: [row[place] for row in ROWS] for place, name in enumerate(NAMES)}
    assert np.array_equal(model.predict_proba(frame), np.array(probabilities))
    labels = [row["predicted_label"] for row in table_of(tmp_path / "scored.parquet")]
    assert model.predict(frame).tolist() == labels


@pytest.fixture(scope="module")
def expected(mixed):
    frame = {name: [row[place] for row in ROWS] for place, name in enumerate(NAMES)}
    model = model_directory.load(mixed)
    return model.predict(frame).tolist(), model.predict_proba(frame).tolist()


def inputs():
    table = pa.table(columns())
    objects = [dict(zip(NAMES, row, strict=True), id=i) for i, row in zip(IDS, ROWS, strict=True)]
    lines = b"".join(orjson.dumps(each) + b"\n" for each in objects)
    text = csv_text(("id", *NAMES), [[i, *row] for i, row in zip(IDS, ROWS, strict=True)])
    words = text.replace(b'"a ""quoted"", word"', b"blue").replace(b'"two\nlines"', b"blue")
    tabs = words.replace(b",", b"\t")
    yield "a.csv", text
    yield "a.csv.gz", gzip.compress(text)
    yield "a.csv.zst", pa.compress(text, "zstd", asbytes=True)
    yield "a.tsv", tabs
    yield "a.csv.bz2", bz2.compress(text.replace(b"\r\n", b"\n"))
    yield "a.jsonl", lines
    yield "a.ndjson.xz", lzma.compress(lines)
    yield "a.parquet", written(table, "parquet")
    yield "a.pq.gz", gzip.compress(written(table, "parquet"))
    yield "a.arrow", written(table, "stream")
    yield "a.arrow.gz", gzip.compress(written(table, "stream"))
    yield "a.feather", written(table, "file")


@pytest.mark.parametrize(
    ("name", "content"), [pytest.param(*each, id=each[0]) for each in inputs()]
)
def test_every_format_is_read_compressed_or_not(name, content, mixed, expected, tmp_path):
    """Columns are found by name, and the chosen ones stand beside the answers as they came."""
    (tmp_path / name).write_bytes(content)
    out = tmp_path / "scored.parquet"
    predict(mixed, tmp_path / name, "--out", out, "--keep", "id,size", "--extra", "ignore")
    found = table_of(out)
    assert [row["id"] for row in found] == IDS
    labels, probabilities = expected
    if name == "a.tsv":  # It has other words.
        assert len(found) == len(labels)
        return
    assert [row["predicted_label"] for row in found] == labels
    assert [row["probabilities"] for row in found] == probabilities
    sizes = [row["size"] for row in found]
    kept = [None if size in {"", None} else float(size) for size in sizes]  # CSV has texts.
    assert kept == [row[1] for row in ROWS]


@pytest.mark.parametrize("extension", ["csv", "jsonl", "parquet", "arrow"])
def test_kept_columns_keep_their_types_where_the_format_has_them(extension, mixed, tmp_path):
    (tmp_path / "a.parquet").write_bytes(written(pa.table(columns()), "parquet"))
    out = tmp_path / f"scored.{extension}"
    keep = ("--keep", "when,count,tags,is_new", "--extra", "ignore")
    predict(mixed, tmp_path / "a.parquet", "--out", out, *keep, "--outputs", "predicted_label")
    first, second = table_of(out)[:2]
    assert list(first) == ["when", "count", "tags", "is_new", "predicted_label"]
    if extension == "csv":
        assert (first["when"], first["count"]) == ("2024-01-31T10:00:00", "")
        assert (second["count"], second["tags"]) == ("1", "['a', 'b']")
    elif extension == "jsonl":
        assert (first["when"], first["count"]) == ("2024-01-31T10:00:00", None)
        assert (second["count"], second["tags"]) == (1, ["a", "b"])
    else:
        assert pd.Timestamp(first["when"]) == pd.Timestamp("2024-01-31T10:00")
        assert second["count"] == 1
        assert second["tags"] == ["a", "b"]


def test_values_of_json_lines_stay_what_they_are(model_dir, tmp_path):
    rows = [{"id": 7, "note": {"a": [1]}}, {"id": "x", "note": None}]
    lines = [orjson.dumps(row | dict.fromkeys(IRIS_NAMES, 1.0)) for row in rows]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    keep = ("--keep", "id,note", "--outputs", "predicted_label")
    predict(model_dir, tmp_path / "a.jsonl", "--out", tmp_path / "b.jsonl", *keep)
    found = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert [(row["id"], row["note"]) for row in found] == [(7, {"a": [1]}), ("x", None)]
    predict(model_dir, tmp_path / "a.jsonl", "--out", tmp_path / "b.parquet", *keep)
    found = table_of(tmp_path / "b.parquet")
    assert [(row["id"], row["note"]) for row in found] == [("7", '{"a":[1]}'), ("x", None)]


def bad_files():
    good = [["0001", "5.1", "3.5", "1.4", "0.2"]] * 400
    rows = [list(row) for row in good]
    rows[3][2] = "tall"
    rows[250] = ["0251", "5.1"]
    rows[251][4] = "1e400"
    text = csv_text(("id", *IRIS_NAMES), rows)
    yield (
        "a.csv",
        text,
        {"line 5": "'tall' is not a number", "line 252": "2 values", "line 253": ""},
    )
    objects = [dict(zip(("id", *IRIS_NAMES), ["a", 1, 2, 3, 4], strict=True)) for _ in good]
    objects[3]["sepal_width"] = "tall"
    del objects[250]["petal_width"]
    lines = [orjson.dumps(each) for each in objects]
    lines[251] = b'{"id": '
    yield (
        "a.jsonl",
        b"\n".join(lines),
        {
            "line 4": "'tall' is not a number",
            "line 251": "missing 'petal_width'",
            "line 252": "is not JSON",
        },
    )
    values = {name: np.ones(400) for name in IRIS_NAMES}
    values["sepal_width"][[3, 250, 251]] = np.inf
    table = pa.table({"id": ["a"] * 400, **values})
    yield "a.parquet", written(table, "parquet"), {"row 4": "", "row 251": "", "row 252": "inf"}
    yield "a.arrow", written(table, "stream"), {"row 4": "", "row 251": "", "row 252": "inf"}


@pytest.mark.parametrize(
    ("name", "content", "bad"), [pytest.param(*each, id=each[0]) for each in bad_files()]
)
def test_a_bad_row_is_named_and_can_be_left_out(name, content, bad, model_dir, tmp_path):
    file, out, report = tmp_path / name, tmp_path / "b.csv", tmp_path / "bad.csv"
    file.write_bytes(content)
    words = (model_dir, file, "--out", out, "--keep", "id")
    place, reason = next(iter(bad.items()))
    said = predict(*words, code=1)
    assert f"forest predict: {file}, {place}" in said
    assert reason in said
    assert not out.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]  # Nothing is left.
    said = predict(*words, "--bad-rows", "skip", "--report", report)
    assert f"3 rows could not be read and were left out; {report} names them" in said
    assert len(table_of(out)) == 397
    found = list(csv.DictReader(io.StringIO(report.read_text())))
    assert [(row["file"], row["place"]) for row in found] == [(str(file), each) for each in bad]
    for row, reason in zip(found, bad.values(), strict=True):
        assert reason in row["reason"]
        assert row["reason"].startswith(f"{file}, {row['place']}")


def refusals():
    header = ",".join(IRIS_NAMES)
    yield (
        {"a.csv": f"id,{header}\n1,1,2,3,4\n"},
        (),
        (
            "a.csv, line 1 has unknown 'id'; the model's features are 4 (sepal_length, "
            "sepal_width, petal_length, petal_width); write columns beside the answers with --keep "
            "id, or leave out all that are not features with --extra ignore"
        ),
    )
    yield {"a.csv": "sepal_length,b\n1,2\n"}, (), "missing 'sepal_width'"
    yield (
        {"a.csv": f"{header}\n1,2,3,4\n"},
        ("--keep", "id"),
        (
            "a.csv does not have the column 'id', which is to be kept; its columns are "
            "'sepal_length', "
        ),
    )
    yield {"a.csv": "1,2,3,4\n"}, ("--keep", "id"), "does not name its columns"
    yield {"a.csv": "1,2,3\n"}, (), "line 1 has 3 values; the model expects 4 (sepal_length"
    yield (
        {"a.csv": f"{header}\n" + "x,x,x,x\n" * 200},
        ("--bad-rows", "skip"),
        ("none of 200 consecutive rows can be read; the first: "),
    )
    yield (
        {"a.csv": ""},
        ("--outputs", "probability,score"),
        ("output 'score' was chosen; this model, a classification, has predicted_label, labels"),
    )
    yield (
        {"a.xlsx": "x"},
        (),
        ("a.xlsx is not of a known format; expected one of CSV (.csv), JSON lines (.jsonl), "),
    )
    yield {"a.npy": "x"}, (), "a.npy is NumPy; expected one of CSV"
    yield {"a.parquet": "x"}, (), "a.parquet is not a readable Parquet file"
    yield {"a.csv.gz": b"\x1f\x8b\x08xxxxxxxxxxxx"}, (), "a.csv.gz is damaged"
    yield (
        {"a.csv": f"{header}\n1,2,3,4\n"},
        ("--keep", "predicted_label"),
        ("'predicted_label' is a column to keep and an output"),
    )


@pytest.mark.parametrize(
    ("files", "words", "message"), [pytest.param(*each, id=each[2][:20]) for each in refusals()]
)
def test_what_cannot_be_scored_is_refused_with_what_to_do(
    files, words, message, model_dir, tmp_path
):
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
    said = predict(model_dir, tmp_path / name, "--out", tmp_path / "out.csv", *words, code=1)
    assert message in said
    assert not (tmp_path / "out.csv").exists()


def test_other_refusals(model_dir, tmp_path):
    rows = tmp_path / "a.csv"
    rows.write_text("5.1,3.5,1.4,0.2\n")
    (tmp_path / "old.csv").write_text("precious")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("precious")
    for words, message in {
        (tmp_path / "none.csv", "--out", "x.csv"): "none.csv does not exist",
        (rows, rows, "--out", "x.csv"): "was named twice",
        (rows, "--out", tmp_path / "old.csv"): "old.csv is there already; give --overwrite",
        (rows, "--out", tmp_path / "full"): "no earlier run of forest predict made it",
        (rows, "--out", "x3://bucket/x"): "or a URI such as s3://bucket/prefix",
        (rows, "--out", "x.csv", "--format", "parquet"): "names CSV, and --format Parquet",
        (rows, "--out", "x.npy"): "NumPy is not written",
        ("x3://bucket", "--out", "x.csv"): "expected a path, or a URI such as s3://bucket/prefix",
    }.items():
        assert message in predict(model_dir, *words, code=1)
    assert "give --bad-rows skip" in predict(
        model_dir, rows, "--out", "x.csv", "--report", "y", code=2
    )
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(b"x")
    said = predict(archive, rows, "--out", "x.csv", code=1)
    assert f"{archive} is not an archive of a model directory" in said
    assert (tmp_path / "old.csv").read_text() == "precious"
    predict(model_dir, rows, "--out", tmp_path / "old.csv", "--overwrite")
    assert (tmp_path / "old.csv").read_text().startswith("predicted_label,probabilities\n")
