"""Ten tables as pandas writes them, trained with the target alone, and served in every format."""

import gzip
import io
import json

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlserver_forest import load
from support import lay_out, serving
from training.channel_files import read
from training.real_tables import N_ROWS, TABLES, table
from training.train_command import trained

CHOSEN = {"n_estimators": "30", "random_state": "1"}
DATES = {"flights": "time_hour", "cars": "Year", "movies": "Release_Date"}
WITHOUT_TARGET = {"flights": 8, "survey": 1, "cars": 6, "movies": 20}


def parquet(frame):
    file = io.BytesIO()
    frame.to_parquet(file)
    return file.getvalue()


def stream(frame):
    file = io.BytesIO()
    arrow_table = pa.Table.from_pandas(frame)
    with pa.ipc.new_stream(file, arrow_table.schema) as writer:
        writer.write_table(arrow_table)
    return file.getvalue()


def records(frame):
    return frame.to_json(orient="records", date_format="iso")


BODIES = {
    "csv": ("text/csv; header=present", lambda frame: frame.to_csv(index=False)),
    "csv_with_index": ("text/csv; header=present", lambda frame: frame.to_csv()),
    "csv_of_excel": (
        'text/csv; header=present; delimiter=";"; decimal=","',
        lambda frame: frame.to_csv(index=False, sep=";", decimal=","),
    ),
    "json_lines": (
        "application/jsonlines",
        lambda frame: frame.to_json(orient="records", lines=True, date_format="iso"),
    ),
    "json_records": ("application/json", records),
    "json_instances": (
        "application/json",
        lambda frame: json.dumps({"instances": json.loads(records(frame))}),
    ),
    "json_split": (
        "application/json",
        lambda frame: frame.to_json(orient="split", date_format="iso"),
    ),
    "parquet": ("application/x-parquet", parquet),
    "arrow_stream": ("application/vnd.apache.arrow.stream", stream),
}


def v2_request(frame):
    """A tensor for each column, as MLServer's pandas codec makes them."""
    inputs = []
    for name, column in frame.items():
        plain = column.astype(object).where(column.notna(), None)
        if pd.api.types.is_bool_dtype(column):
            datatype, values = "BOOL", column.tolist()
        elif pd.api.types.is_numeric_dtype(column):
            datatype, values = "FP64", plain.tolist()
        else:
            datatype, values = "BYTES", ["" if value is None else str(value) for value in plain]
        shape = [len(frame), 1]
        inputs.append({"name": name, "datatype": datatype, "shape": shape, "data": values})
    return {"parameters": {"content_type": "pd"}, "inputs": inputs}


def answers(url, body, content_type):
    headers = {"Content-Type": content_type, "Accept": "application/jsonlines"}
    response = httpx.post(f"{url}/invocations", content=body, headers=headers, timeout=60)
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


def v2_answers(url, frame):
    response = httpx.post(f"{url}/v2/models/forest/infer", json=v2_request(frame), timeout=60)
    assert response.status_code == 200, response.text
    outputs = {output["name"]: output["data"] for output in response.json()["outputs"]}
    return outputs["predict"]


def predictions(rows):
    return [next(iter(row.values())) for row in rows]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_trained_with_its_target_alone_and_served_in_every_format(tmp_path, name):
    frame, target = table(name)
    channels = {"train": {f"{name}.csv": frame.to_csv()}}
    schema, _, log = trained(lay_out(tmp_path, channels, {**CHOSEN, "target": target}))
    date, features = DATES.get(name), frame.drop(columns=target)

    assert schema.feature_names == tuple(features.columns.drop(date or []))
    assert schema.ignored == ((date,) if date else ())
    assert f"the target is column '{target}'\n" in log
    assert "column 1 (without a name) is taken as the index of the rows" in log
    assert (f"column '{date}' holds dates or times" in log) == (date is not None)
    left_out = WITHOUT_TARGET.get(name, 0)
    assert (f"{left_out} of 300 rows are left out, from " in log) == (left_out > 0)

    with serving(tmp_path / "model") as server:
        found = {
            format_name: answers(server.url, write(features), content_type)
            for format_name, (content_type, write) in BODIES.items()
        }
        v2 = v2_answers(server.url, features)
    expected = found["csv"]
    assert {format_name for format_name, rows in found.items() if rows != expected} == set()
    predicted = predictions(expected)
    assert v2 == predicted
    assert load(tmp_path / "model").predict(features).ravel().tolist() == predicted
    if schema.kind == "classification":
        known = frame[target].notna()
        right = np.array([str(label) for label in predicted]) == frame[target].astype(str)
        assert right[known].mean() > 0.9
    else:
        known = frame[target].notna()
        errors = np.array(predicted)[known] - frame[target][known]
        assert errors.var() < 0.2 * frame[target].var()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_read_alike_from_every_format(tmp_path, name):
    frame, target = table(name)
    files = {
        "csv": frame.to_csv(),
        "csv.gz": gzip.compress(frame.to_csv(index=False).encode(), mtime=0),
        "tsv": frame.to_csv(index=False, sep="\t"),
        "parquet": parquet(frame),
        "jsonl": BODIES["json_lines"][1](frame),
    }
    tables = {
        end: read(tmp_path / end, {f"a.{end}": text}, target=target) for end, text in files.items()
    }
    first = tables["csv"]
    assert len(first) == N_ROWS - WITHOUT_TARGET.get(name, 0)
    for found in tables.values():
        assert found.names == first.names
        assert found.categories == first.categories
        assert np.array_equal(found.x, first.x, equal_nan=True)
        assert np.array_equal(found.labels.codes, first.labels.codes)
