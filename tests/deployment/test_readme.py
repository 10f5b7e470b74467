"""The README's way from a CSV to a clean account, run as it is written."""

import subprocess

from deployment.account import ROLE
from support import BIN, ROOT


def test_the_readmes_commands_run(account, iris_server, tmp_path):
    """All but the training is real: serve answers, and nothing that costs is left."""
    account.stand_in.serve = iris_server.url
    block = (ROOT / "README.md").read_text().split("<!-- command: sagemaker -->\n```sh\n")[1]
    (tmp_path / "data").symlink_to(ROOT / "data")
    environ = account.environ()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.split("```")[0]],
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
