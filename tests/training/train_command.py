"""Runs the ``train`` command on an /opt/ml tree."""

import os
from functools import partial

from forked_command import run_forked
from mlserver_forest.artifact.forest_file import load_forest
from mlserver_forest.artifact.model_directory import read_settings
from mlserver_forest.schema.v2_metadata import from_metadata
from mlserver_forest.training import job
from support import clean_environ


def train(base, *arguments, dies_of=None, **variables):
    environ = clean_environ(SAGEMAKER_BASE_DIR=str(base), **variables)
    prepare = dies_of and partial(_die_instead, dies_of)
    return run_forked("train", *arguments, environ=environ, prepare=prepare)


def _die_instead(number):
    """Let the process that trains get a signal before it reads any data."""
    job.run = lambda *_: os.kill(os.getpid(), number)


def trained(base, *arguments):
    done = train(base, *arguments)
    assert done.returncode == 0, done.stderr
    assert not (base / "output" / "failure").exists()
    settings = read_settings(base / "model", trust_code=False)
    forest = load_forest(base / "model" / "forest.safetensors")
    return from_metadata(settings["inputs"], settings["outputs"]), forest, done.stdout


def failed(base, code=1):
    """The reason for the failure of a job, which leaves no model and writes the reason to
    output/failure and stderr.
    """
    done = train(base)
    assert done.returncode == code, done.stdout + done.stderr
    assert list(base.glob("model/*")) == []
    reason = (base / "output" / "failure").read_text().splitlines()[0]
    assert len(reason) < 1024
    assert "Traceback" not in done.stderr
    assert reason in done.stderr
    return reason.removeprefix("ClientError: ")
