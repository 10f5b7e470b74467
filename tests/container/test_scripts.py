"""The scripts in container/ run in any shell, and name a file that is not there."""

import subprocess

import pytest

from support import ROOT


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_script_names_what_is_missing(tmp_path, shell):
    for script in (ROOT / "container").glob("*.sh"):
        subprocess.run([shell, "-n", script], check=True)

    def said(script, *arguments):
        done = subprocess.run(
            [shell, ROOT / "container" / script, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        return done.stderr

    missing = f"predict.sh: there is no readable file payload.csv (from {tmp_path})\n"
    assert said("predict.sh", "payload.csv") == missing
    assert "there is no readable file ." in said("predict.sh", ".")
    assert "there is no folder ml/model" in said("serve_local.sh")
    assert "usage: container/predict.sh PAYLOAD" in said("predict.sh")
