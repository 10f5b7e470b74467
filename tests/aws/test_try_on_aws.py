"""The script that a person with an account can run, against AWS's stand-in."""

import subprocess

import pytest

from aws.account import IMAGE
from command_folder import command_folder
from support import ROOT


@pytest.fixture
def run(account, iris_server, model_dir, tmp_path):
    """Run the script as in a clone that has no environment of its own."""
    account.stand_in.serve = iris_server.url
    (tmp_path / "ml" / "output" / "data").mkdir(parents=True)
    (tmp_path / "ml" / "model").symlink_to(model_dir)
    account.stand_in.trained = tmp_path / "ml"
    clone = tmp_path / "clone"
    (clone / "container").mkdir(parents=True)
    for name in ("container/try_on_aws.sh", "data"):
        (clone / name).symlink_to(ROOT / name)
    with command_folder(tmp_path / "bin") as folder:
        environ = account.environ()
        yield lambda: subprocess.run(
            ["sh", clone / "container" / "try_on_aws.sh", "forest", tmp_path / "report"],
            env=environ
            | {"PATH": f"{folder}:{environ['PATH']}", "NAME": "t", "IMAGE": f"{IMAGE}:v1"},
            capture_output=True,
            text=True,
            check=False,
        )


def test_every_step_is_done_and_nothing_is_left_that_costs(account, run, tmp_path):
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "report" / "report.txt").read_text().splitlines()
    assert len(lines) == 22
    assert all(". ok, " in line for line in lines)
    assert {one["kind"] for one in account.forest("list", "--json").json["found"]} == {
        "training job",
        "transform job",
    }


def test_a_failure_is_reported_and_endpoints_are_deleted(account, run, tmp_path):
    account.stand_in.fail("CreateTransformJob", status=400, code="ResourceLimitExceeded")
    done = run()
    assert done.returncode == 1
    report = (tmp_path / "report" / "report.txt").read_text()
    assert "7. FAILED, " in report
    assert "ResourceLimitExceeded" in report
    assert "endpoint" not in {one["kind"] for one in account.forest("list", "--json").json["found"]}
