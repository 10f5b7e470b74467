"""The pages about AWS, run as they are written: from a CSV to a clean account, and an alarm."""

import shlex
import shutil
import subprocess
import sys

from aws.account import ROLE
from docs_blocks import block
from support import BIN, ROOT


def test_the_commands_of_the_page_train_deploy_invoke_and_clean_up(account, iris_server, tmp_path):
    """All but the training is real: serve answers, and nothing that costs is left."""
    account.stand_in.serve = iris_server.url
    commands = block("docs/sagemaker.md", "command: sagemaker")
    (tmp_path / "data").symlink_to(ROOT / "data")
    environ = account.environ()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        env=environ | {"PATH": f"{BIN}:{environ['PATH']}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "setosa" in done.stdout
    assert "setosa" in (tmp_path / "answers" / "payload.csv.out").read_text()
    job = account.client("sagemaker").describe_training_job(TrainingJobName="iris-1")
    assert job["RoleArn"] == ROLE
    left = account.forest("list", "--json").json["found"]
    assert {one["kind"] for one in left} == {"training job", "transform job"}


def test_the_commands_about_several_variants_do_what_the_page_says(
    account, iris_server, model_dir, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    account.stand_in.serve = iris_server.url
    for name in ("model", "new"):
        shutil.copytree(model_dir, tmp_path / "ml" / name)
    (tmp_path / "ml" / "new" / "note.txt").write_text("another model")
    (tmp_path / "row.csv").write_text("5.9,3.0,5.1,1.8\n")
    (tmp_path / "outcomes.csv").write_text("inference_id,species\na,virginica\n")
    sent = ("--accept", "application/json", "--inference-id", "a")
    said = {}
    for line in block("docs/sagemaker.md", "command: variants").splitlines():
        _, *words = shlex.split(line.replace("$ROLE", "forest"), comments=True)
        if words[0] in {"deploy", "promote", "rollback"}:
            words += ["--yes", "--poll", "0.1"]
        done = account.forest(*words)
        assert done.code == 0, (line, done.err)
        said[line.partition("  ")[0]] = done.out + done.err
        assert account.forest("invoke", "churn", "row.csv", *sent).code == 0
    assert "traffic of new: 10% -> 25%" in said["forest deploy --name churn --variant new=25%"]
    assert "1 row answered by both, joined by inference id" in said["forest compare churn"]
    assert "accuracy" in said["forest evaluate churn --labels outcomes.csv --target species"]


def test_the_alarm_of_the_operations_page_is_created(account):
    script = block("docs/operations.md", "python: alarm")
    subprocess.run(
        [sys.executable, "-"], input=script, env=account.environ(), text=True, check=True
    )
    (alarm,) = account.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert (alarm["AlarmName"], alarm["Threshold"]) == ("iris-5xx", 0)
