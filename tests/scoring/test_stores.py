"""Folders with partitions, on disk and in S3, and files scored by the workers of a Dask cluster."""

import boto3
import distributed
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from forked_command import fork
from mlserver_forest.artifact import model_directory
from scoring.dask_processes import serve_scheduler, work
from scoring.scored import predict, table_of
from support import IRIS_NAMES, free_port

NAMES = IRIS_NAMES[:3]
# Hive's folders: two of them are a feature, one of them is not known to the model.
FOLDERS = {"petal_width=0.2/region=a": 40, "petal_width=1.8/region=b%20c": 30}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A folder of Parquet with partitions, and what the rows are."""
    folder = tmp_path_factory.mktemp("tables") / "in"
    chance, found = np.random.default_rng(0), []
    for name, n in FOLDERS.items():
        rows = pd.DataFrame(chance.normal(4, 2, (n, 3)), columns=NAMES)
        (folder / name).mkdir(parents=True)
        rows.to_parquet(folder / name / "part-0.parquet", row_group_size=9)
        (folder / name / "_SUCCESS").write_text("")
        found.append(rows.assign(petal_width=float(name[12:15])))
    return folder, pd.concat(found)


def expected(model_dir, rows):
    return model_directory.load(model_dir).predict(rows[list(IRIS_NAMES)]).tolist()


def test_the_names_of_folders_are_columns_and_the_answers_have_the_same_folders(
    tables, model_dir, tmp_path
):
    folder, rows = tables
    predict(model_dir, folder, "--out", tmp_path / "out", "--keep", "region,petal_width")
    files = sorted(path.relative_to(tmp_path / "out") for path in tmp_path.rglob("*.parquet"))
    assert list(map(str, files)) == [f"{name}/part-0-00000.parquet" for name in FOLDERS]
    found = pa.dataset.dataset(tmp_path / "out", format="parquet").to_table().to_pandas()
    assert found["predicted_label"].tolist() == expected(model_dir, rows)
    assert found["region"].tolist() == ["a"] * 40 + ["b c"] * 30
    predict(model_dir, folder, "--out", tmp_path / "one.jsonl", "--outputs", "predicted_label")
    assert [*map(dict.values, table_of(tmp_path / "one.jsonl"))]
    labels = [row["predicted_label"] for row in table_of(tmp_path / "one.jsonl")]
    assert labels == expected(model_dir, rows)


def test_a_prefix_in_s3_is_scored_from_there_and_to_there(
    tables, model_dir, tmp_path, moto, monkeypatch
):
    folder, rows = tables
    for name, value in {
        "AWS_ENDPOINT_URL": moto,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="rows")
    for path in folder.rglob("*.parquet"):
        client.upload_file(str(path), "rows", f"in/{path.relative_to(folder)}")
    text = rows.to_csv(index=False).encode()
    client.put_object(Bucket="rows", Key="new.csv.gz", Body=pa.compress(text, "gzip", asbytes=True))
    predict(model_dir, "s3://rows/in/", "--out", tmp_path / "a.jsonl")
    predict(model_dir, "s3://rows/new.csv.gz", "--out", tmp_path / "b.jsonl")
    assert table_of(tmp_path / "a.jsonl") == table_of(tmp_path / "b.jsonl")
    labels = [row["predicted_label"] for row in table_of(tmp_path / "a.jsonl")]
    assert labels == expected(model_dir, rows)
    predict(model_dir, "s3://rows/in/", "--out", "s3://rows/out/a.jsonl")
    client.download_file("rows", "out/a.jsonl", str(tmp_path / "c.jsonl"))
    assert (tmp_path / "c.jsonl").read_bytes() == (tmp_path / "a.jsonl").read_bytes()
    said = predict(model_dir, "s3://rows/in/", "--out", "s3://rows/out/a.jsonl", code=1)
    assert "s3://rows/out/a.jsonl is there already; give --overwrite" in said
    said = predict(model_dir, "s3://rows/in/", "--out", "s3://rows/in", code=1)
    assert "s3://rows/in is there already, and no earlier run" in said
    # A folder: its state is beside it, so that another machine can go on.
    whole = (model_dir, "s3://rows/in/", "--out", "s3://rows/parts/", "--keep", "region")
    predict(*whole)
    keys = [found["Key"] for found in client.list_objects_v2(Bucket="rows")["Contents"]]
    parts = [key for key in keys if key.startswith("parts/petal_width=")]
    assert [key.removeprefix("parts/") for key in parts] == [
        f"{name}/part-0-00000.parquet" for name in FOLDERS
    ]
    client.delete_object(Bucket="rows", Key=parts[0])
    assert "; 1 parts were there from an earlier run" in predict(*whole)
    said = predict(*whole[:-2], code=1)
    assert "s3://rows/parts/_predict holds the parts of a run that differs in the options" in said
    predict(*whole[:-2], "--overwrite")
    found = [
        pq.read_table(pa.BufferReader(client.get_object(Bucket="rows", Key=key)["Body"].read()))
        for key in parts
    ]
    assert [table.num_rows for table in found] == list(FOLDERS.values())
    client.close()
    said = predict(model_dir, "s3://rows/none", "--out", tmp_path / "c.csv", code=1)
    assert said == "forest predict: s3://rows/none does not exist; check its name"


@pytest.fixture
def cluster():
    """The address of a scheduler with two workers, each a process of its own."""
    port = free_port()
    processes = [fork(serve_scheduler, port), fork(work, port), fork(work, port)]
    yield f"tcp://127.0.0.1:{port}"
    for process in processes:
        process.kill()
        process.join()


def test_a_cluster_gives_the_answers_of_one_process(tables, model_dir, tmp_path, cluster):
    folder, rows = tables
    text = rows.to_csv(index=False)
    (tmp_path / "rows.csv").write_text(text + "1,2,3\n" + "1,2,x,4\n")
    words = (folder, tmp_path / "rows.csv", "--bad-rows", "skip", "--format", "parquet")
    one, many = tmp_path / "one", tmp_path / "many"
    predict(model_dir, *words, "--out", one, "--report", tmp_path / "one.csv")
    with distributed.Client(cluster) as client:
        client.wait_for_workers(2, timeout=60)
    said = predict(
        *(model_dir, *words, "--out", many, "--report", tmp_path / "many.csv"),
        *("--cluster", cluster),
    )
    assert said.startswith(f"140 rows to {many} in ")
    files = {path.relative_to(one): pq.read_table(path) for path in one.rglob("*.parquet")}
    assert len(files) == 3
    assert files == {
        path.relative_to(many): pq.read_table(path) for path in many.rglob("*.parquet")
    }
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "many.csv").read_bytes()
    said = predict(*(model_dir, *words, "--out", many, "--cluster", cluster))
    assert "3 parts were there from an earlier run" in said
    (tmp_path / "bad.csv").write_text("1,2,x,4\n")
    said = predict(
        *(model_dir, tmp_path / "bad.csv", "--out", tmp_path / "b.csv", "--cluster", cluster),
        code=1,
    )
    assert "bad.csv, line 1, column 3 (petal_length): 'x' is not a number" in said
