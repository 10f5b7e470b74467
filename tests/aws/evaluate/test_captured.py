"""forest evaluate on what an endpoint captured, with outcomes that became known later."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from aws.account import AS_ROLE, BUCKET, POLL
from aws.captured_traffic import capture_key, record

ROWS = {"a": ("5.9,3.0,5.1,1.8", "virginica"), "b": ("5.1,3.5,1.4,0.2", "setosa")}
PREFIX = f"s3://{BUCKET}/mlserver-forest/captured/iris"


@pytest.fixture
def labels(account):
    path = account.tmp_path / "outcomes.csv"
    # The outcome of b is another one than what is predicted, and c was never asked.
    path.write_text("inference_id,row,species\na,0,virginica\nb,0,versicolor\nc,0,setosa\n")
    return path


def evaluate(account, *words):
    done = account.forest("evaluate", *words, "--target", "species", "--json")
    assert done.code == 0, done.err
    return done.json


def test_an_endpoint_is_evaluated_by_variant_and_over_time(
    account, iris_server, model_dir, labels, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    account.stand_in.serve = iris_server.url
    account.stand_in.answers["new"] = lambda answer: answer.replace(b"setosa", b"versicolor")
    assert account.forest("register", model_dir, "--group", "iris", "--approve", "--yes").code == 0
    words = ("deploy", "iris@approved", "--name", "iris", *AS_ROLE)
    assert account.forest(*words, "--capture").code == 0
    assert account.forest(*words, "--variant", "new=50%", "--yes").code == 0
    for name, (row, _) in ROWS.items():
        path = tmp_path / "row.csv"
        path.write_text(row + "\n")
        for variant in ("AllTraffic", "new"):
            sent = ("--accept", "application/json", "--inference-id", name, "--variant", variant)
            assert account.forest("invoke", "iris", path, *sent).code == 0
    found = evaluate(account, "iris", "--labels", labels)
    assert (found["rows"], found["rows_without_target"]) == (4, 0)
    assert found["metrics"]["accuracy"] == 0.75
    assert found["calibration"]["bins"]
    by_variant = {one["name"]: one["metrics"]["accuracy"] for one in found["segments"]}
    assert by_variant == {"AllTraffic": 0.5, "new": 1}
    assert [one["name"] for one in found["over_time"]] == [f"{datetime.now(UTC):%Y-%m-%d}"]
    # A variant that is gone has answered, too.
    assert account.forest("promote", "iris", "new", "--yes", *POLL).code == 0
    assert evaluate(account, "iris", "--labels", labels) == found
    found = evaluate(
        account, model_dir, f"{PREFIX}/iris/", "--labels", labels, "--by", "petal_width"
    )
    assert [one["name"] for one in found["segments"]] == ["0.2", "1.8"]
    archive = shutil.make_archive(tmp_path / "model", "gztar", model_dir)
    again = evaluate(account, archive, f"{PREFIX}/iris/", "--labels", labels, "--by", "petal_width")
    assert again == found
    done = account.forest("evaluate", "iris", "--labels", labels, "--target", "species")
    assert "1 rows of " in done.err
    assert [line.split()[0] for line in done.out.splitlines() if line.startswith("time")] == [
        "time"
    ]
    shadow = ("deploy", "iris@approved", "--name", "iris", "--shadow", "sh", *AS_ROLE, "--yes")
    assert account.forest(*shadow).code == 0
    done = account.forest("evaluate", "iris", "--labels", labels, "--target", "species")
    assert "sh is a shadow variant: its answers, which nobody got, count as well" in done.err
    (tmp_path / "iris").mkdir()
    done = account.forest("evaluate", "iris", "--labels", labels, "--target", "species")
    assert "iris is a file or folder here, and FILE is missing" in done.err


def test_labels_alone_and_several_rows_of_a_request(account, model_dir, labels):
    """Answers in CSV have no probabilities; a key names each row."""
    s3 = account.client("s3")
    s3.create_bucket(
        Bucket="captured", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    question = ("text/csv", "\n".join(row for row, _ in ROWS.values()).encode())
    answer = ("text/csv; charset=utf-8", b"virginica\nsetosa\n")
    old = datetime.now(UTC) - timedelta(days=40)
    lines = [
        record(question, answer, inference_id="a"),
        record(question, answer, inference_id="old", time=old),
    ]
    key = capture_key("iris", "AllTraffic")
    s3.put_object(Bucket="captured", Key=key, Body="\n".join(lines).encode())
    words = (model_dir, "s3://captured/iris", "--labels", labels)
    done = account.forest("evaluate", *words, "--target", "species")
    assert "the request has several rows, and the key inference_id names none of them" in done.err
    labels.write_text("inference_id,row,species\na,0,virginica\na,1,versicolor\n")
    found = evaluate(account, *words, "--key", "inference_id,row", "--since", "30d")
    assert (found["metrics"]["accuracy"], found["calibration"]) == (0.5, None)
    assert (found["rows"], found["rows_without_target"]) == (2, 0)
    done = account.forest("evaluate", *words, "--target", "species", "--key", "inference_id,row")
    assert "the answers have no probabilities, so their calibration is not known" in done.out
    assert "2 rows without a target left out" in done.out
    cases = {
        (model_dir, "s3://captured/none", "--labels", labels): "no answers were captured in this",
        (model_dir, "s3://captured/iris"): "--labels is missing",
        ("no-endpoint", "--labels", labels): "there is no endpoint no-endpoint in eu-west-1",
        ("no-folder", "rows.csv"): "no-folder does not exist; expected a model directory",
        (model_dir, "rows.csv"): "rows.csv does not exist",
        (model_dir, labels, "--since", "1d"): "are for captured data; leave them out",
        (*words, "--by", "x"): "captured data have no column 'x'; expected one of event_id",
    }
    for case, said in cases.items():
        done = account.forest("evaluate", *case, "--target", "species")
        assert (done.code, said in done.err) == (1, True), (case, done.err)
    done = account.forest("evaluate", "no-endpoint", "--labels", labels, "--json")
    assert (done.code, done.json["code"]) == (2, "UsageError")
    place = ("--target", "species", "--json", "--region", "us-west-2")
    done = account.forest("evaluate", "no-endpoint", "--labels", labels, *place)
    assert done.json["code"] == "DeploymentError"
    assert done.json["hint"] == "see forest list --region us-west-2"
    s3.put_object(Bucket="captured", Key=key, Body=json.dumps({"no": "record"}).encode())
    done = account.forest("evaluate", *words, "--target", "species")
    assert f"{key}: line 1: " in done.err
    assert "is not a record of captured data; expected captureData and eventMetadata" in done.err
    s3.close()
