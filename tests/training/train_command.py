"""Runs the real ``train`` command on an /opt/ml tree."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from multiprocessing import reduction

from mlserver_forest.artifact.forest_file import load_forest
from mlserver_forest.artifact.model_directory import read_settings
from mlserver_forest.schema.v2_metadata import from_metadata
from mlserver_forest.training import job
from mlserver_forest.training.cli import train as train_command
from support import clean_environ

# A process that has imported what training needs is forked for each run, which saves two seconds
# of imports; each run has a process of its own. The installed command is run by test_quickstart.py.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["mlserver_forest.training.cli", "mlserver_forest.training.job"])


def train(base, *arguments, dies_of=None, **variables):
    environ = clean_environ(SAGEMAKER_BASE_DIR=str(base), **variables)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        connection = reduction.DupFd
        process = PROCESSES.Process(
            target=_train,
            args=(arguments, environ, connection(out.fileno()), connection(err.fileno()), dies_of),
        )
        process.start()
        process.join(120)
        if process.is_alive():
            process.kill()
            process.join()
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(["train", *arguments], process.exitcode, *texts)


def _train(arguments, environ, out, err, dies_of):
    """Run the command in this process, which ends with its exit code.

    With ``dies_of``, the process that trains gets that signal before it reads any data.
    """
    os.environ.clear()
    os.environ.update(environ)
    os.dup2(out.detach(), 1)
    os.dup2(err.detach(), 2)
    sys.argv[0] = "train"
    if dies_of is not None:
        job.run = lambda *_: os.kill(os.getpid(), dies_of)
    train_command(list(arguments), prog_name="train")


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
