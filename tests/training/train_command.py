"""Runs the real ``train`` command on an /opt/ml tree."""

import subprocess

from mlserver_forest.artifact.forest_file import load_forest
from mlserver_forest.artifact.model_directory import read_settings
from mlserver_forest.schema.v2_metadata import from_metadata
from support import BIN, clean_environ


def train(base, *arguments, **variables):
    return subprocess.run(
        [BIN / "train", *arguments],
        env=clean_environ(SAGEMAKER_BASE_DIR=str(base), **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def trained(base, *arguments):
    done = train(base, *arguments)
    assert done.returncode == 0, done.stderr
    assert not (base / "output" / "failure").exists()
    settings = read_settings(base / "model", trust_pickle=False)
    forest = load_forest(base / "model" / "forest.safetensors")
    return from_metadata(settings["inputs"], settings["outputs"]), forest, done.stdout


def failed(base, code=1):
    """Why the job failed; that it left no model and said the reason where it must."""
    done = train(base)
    assert done.returncode == code, done.stdout + done.stderr
    assert list(base.glob("model/*")) == []
    reason = (base / "output" / "failure").read_text().splitlines()[0]
    assert len(reason) < 1024
    assert "Traceback" not in done.stderr
    assert reason in done.stderr
    return reason.removeprefix("ClientError: ")
