"""``forest evaluate`` on files of every format that has named columns."""

import gzip
import json
import tarfile

import pandas as pd
import pytest
from click.testing import CliRunner

from mlserver_forest.cli import forest
from support import IRIS_NAMES


@pytest.fixture(scope="module")
def table(iris):
    table = pd.DataFrame(iris[0], columns=IRIS_NAMES)
    table.insert(0, "species", iris[1])
    table.insert(2, "region", ["north", "south", None] * 50)
    return table


def run(*arguments):
    return CliRunner().invoke(forest, ["evaluate", *map(str, arguments)])


def test_every_format_gives_the_same_document(tmp_path, table, model_dir):
    text = table.to_csv(index=False)
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(text.encode()))
    table.to_parquet(tmp_path / "c.parquet")
    table.to_feather(tmp_path / "d.arrow")
    table.to_json(tmp_path / "e.jsonl", orient="records", lines=True)
    documents = []
    for path in sorted(tmp_path.iterdir()):
        done = run(model_dir, path, "--target", "species", "--by", "region", "--json")
        assert done.exit_code == 0, done.output
        documents.append(json.loads(done.output))
    assert len(documents) == 5
    assert all(document == documents[0] for document in documents)
    assert documents[0]["metrics"]["accuracy"] == 1
    segments = documents[0]["segments"]
    assert [(one["name"], one["n_rows"]) for one in segments] == [
        ("north", 50),
        ("south", 50),
        ("(missing)", 50),
    ]


def test_a_person_reads_tables(tmp_path, table, model_dir):
    table.to_csv(tmp_path / "new.csv", index=False)
    done = run(model_dir, tmp_path / "new.csv", "--target", "species", "--by", "petal_width")
    lines = done.output.splitlines()
    assert lines[0] == "150 rows with a target, species"
    assert lines[2] == "accuracy                 1"
    assert [line.split()[0] for line in lines if line.startswith("petal")] == ["petal_width"]
    assert sum(line.startswith(("up to", "above")) for line in lines) == 2


def test_what_does_not_fit_is_refused_with_the_file(tmp_path, table, model_dir):
    path = tmp_path / "new.csv"
    table.to_csv(path, index=False)
    done = run(model_dir, path, "--target", "specis")
    assert done.exit_code == 1
    assert "new.csv: there is no column 'specis'; did you mean 'species'?" in done.output
    path.write_text(table.to_csv(index=False).replace("5.1", "wide", 1))
    done = run(model_dir, path, "--target", "species")
    assert "new.csv: row 1, column 1 (sepal_length): 'wide' is not a number" in done.output
    (tmp_path / "new.libsvm").write_text("1 1:2\n")
    assert (
        "has no named columns"
        in run(model_dir, tmp_path / "new.libsvm", "--target", "species").output
    )


def test_the_paths_of_a_processing_job_are_read_and_written(tmp_path, table, model_dir):
    """A folder with model.tar.gz, and a folder with several files, one of which is not data."""
    (tmp_path / "model").mkdir()
    with tarfile.open(tmp_path / "model" / "model.tar.gz", "w:gz") as archive:
        archive.add(model_dir, ".")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "_SUCCESS").write_text("")
    for number, part in enumerate((table[:70], table[70:])):
        part.to_csv(tmp_path / "data" / f"part-{number}.csv", index=False)
    out = tmp_path / "evaluation.json"
    words = (tmp_path / "data", "--target", "species", "--by", "region", "--out", out)
    done = run(tmp_path / "model", *words)
    assert done.exit_code == 0, done.output
    document = json.loads(out.read_text())
    assert (document["rows"], document["metrics"]["accuracy"]) == (150, 1)
    assert run(tmp_path / "model" / "model.tar.gz", *words).output == done.output
    with tarfile.open(tmp_path / "model" / "model.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "evaluation.json", "../evaluation.json")
    assert "lies outside of the archive" in run(tmp_path / "model", *words).output
    (tmp_path / "model" / "model.tar.gz").write_bytes(b"none")
    done = run(tmp_path / "model", *words)
    assert "model.tar.gz is not an archive of a model directory" in done.output
    (tmp_path / "none").mkdir()
    done = run(model_dir, tmp_path / "none", "--target", "species")
    assert "none: there are no files in it" in done.output
