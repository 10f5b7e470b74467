"""A media type is one module and one row of the registry: everything else reads the row."""

import json
import subprocess

import httpx
import pytest
from click.testing import CliRunner

from contract import toy_format
from mlserver_forest.aws.invoke.plan import media_type_of
from mlserver_forest.cli import forest
from mlserver_forest.doctor import sample
from mlserver_forest.formats import registry
from support import IRIS, clean_environ, lay_out
from support import launch as launch_server


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A model that was trained on a channel of the toy's files, chosen by their extension."""
    base = lay_out(
        tmp_path_factory.mktemp("toy"),
        {"training": {"iris.toy": IRIS.read_text().replace(",", "|")}},
        {"n_estimators": "20", "random_state": "0"},
        content_type="",
    )
    environ = clean_environ(SAGEMAKER_BASE_DIR=str(base))
    done = subprocess.run(
        toy_format.command("train"), env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return base


@pytest.fixture(scope="module")
def server(base):
    running = launch_server(base / "model", command=toy_format.command("serve"))
    yield running.wait_until_ready()
    running.end()


def ask(server, body, **headers):
    headers = {"Content-Type": toy_format.MEDIA_TYPE, **headers}
    return httpx.post(f"{server.url}/invocations", content=body, headers=headers)


def test_a_model_trained_on_it_answers_it_as_it_answers_csv(server):
    csv = ask(server, "5.9,3.0,5.1,1.8\n5.1,3.5,1.4,0.2\n", **{"Content-Type": "text/csv"})
    toy = ask(server, "5.9|3.0|5.1|1.8\n5.1|3.5|1.4|0.2\n")
    assert (toy.status_code, toy.headers["content-type"]) == (200, toy_format.MEDIA_TYPE)
    assert toy.text == csv.text == "virginica\nsetosa\n"


def test_it_is_negotiated_as_an_answer(server):
    answer = ask(
        server, "5.9,3.0,5.1,1.8", Accept=toy_format.MEDIA_TYPE, **{"Content-Type": "text/csv"}
    )
    assert (answer.text, answer.headers["content-type"]) == ("virginica\n", toy_format.MEDIA_TYPE)
    assert ask(server, "5.9|3.0|5.1|1.8", Accept="application/json").json()["predictions"]


def test_its_rows_are_refused_for_the_same_reasons(server):
    short = ask(server, "5.9|3.0|5.1")
    assert short.status_code == 400
    assert "row 1 has 3 values; the model expects 4" in short.json()["error"]
    second = ask(server, "5.9|3.0|5.1|1.8\n5.9|3.0")
    assert "row 2 has 2 values; the model expects 4" in second.json()["error"]


def test_it_is_named_where_another_type_is_refused(server):
    refused = ask(server, "", **{"Content-Type": "text/plain"})
    assert refused.status_code == 415
    assert toy_format.MEDIA_TYPE in refused.json()["error"]


def test_forest_invoke_and_the_doctor_know_its_files(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "FORMATS", (*registry.FORMATS, toy_format.ROW))
    assert media_type_of("s3://bucket/rows.TOY") == toy_format.MEDIA_TYPE
    file = tmp_path / "rows.toy"
    file.write_text("5.9|3.0|5.1|1.8")
    found = sample.from_file(file, None)
    assert (found.content_type, found.has_lines) == (toy_format.MEDIA_TYPE, True)
    done = CliRunner().invoke(forest, ["invoke", "an-endpoint", str(file), "--dry-run", "--json"])
    assert done.exit_code == 0, done.output
    assert toy_format.MEDIA_TYPE in json.dumps(json.loads(done.output))
