"""Training jobs that are killed at any moment, that meet in one folder, or whose disk is full."""

import hashlib
import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .full_disk import full_tmpfs
from .server import SERVE
from .table import Row

_TRAIN = SERVE.with_name("train")
_KILLS = 12
_SECONDS = 300


def saving(scene):
    with tempfile.TemporaryDirectory() as name:
        base = Path(name, "ml")
        _lay_out(scene, base, 1)
        started = time.monotonic()
        done = _start(base)
        done.communicate(timeout=_SECONDS)
        seconds = time.monotonic() - started
        yield _killed(scene, base, seconds)
        yield _together(scene, base)
    yield _on_a_full_disk(scene)


def _lay_out(scene, base, seed):
    chosen = {"algorithm": "random_forest", "n_estimators": "50", "random_state": str(seed)}
    scene.support.lay_out(base, {"training": {"iris.csv": scene.support.IRIS.read_text()}}, chosen)


def _start(base):
    environ = os.environ | {"SAGEMAKER_BASE_DIR": str(base)}
    return subprocess.Popen(_TRAIN, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _digest(directory):
    """Of the trees that are served; None if there is no model; "mixed" if it is not whole."""
    from mlserver_forest.artifact.model_directory import load
    from mlserver_forest.errors import InvalidArtifact

    try:
        arrays = load(directory).forest.arrays
    except InvalidArtifact as error:
        return None if "no model" in str(error) else "mixed"
    return hashlib.sha256(b"".join(a.tobytes() for _, a in sorted(arrays.items()))).hexdigest()


def _killed(scene, base, seconds):
    """A second job is killed after a growing part of its time; the earlier model stays whole."""
    row, ends = Row("train, kill -9"), {"earlier": 0, "new": 0, "none": 0}
    model_dir, mixed = base / "model", 0
    for number in range(_KILLS):
        before = _digest(model_dir)
        _lay_out(scene, base, number + 2)
        job = _start(base)
        time.sleep(seconds * (0.5 + 0.55 * number / _KILLS))
        job.send_signal(signal.SIGKILL)
        job.communicate()
        after = _digest(model_dir)
        mixed += after == "mixed"
        ends["none" if after is None else "earlier" if after == before else "new"] += 1
    row.add("models", json.dumps(ends))
    row.zero("mixed", mixed)
    return row


def _together(scene, base):
    """Two jobs on one folder: one of them writes it, or both, one after the other."""
    row = Row("train, two jobs on one folder")
    jobs = [_start(base) for _ in range(2)]
    said = [job.communicate(timeout=_SECONDS)[0].decode() for job in jobs]
    codes = [job.returncode for job in jobs]
    row.add("exit codes", sorted(codes), "one is 0", 0 in codes)
    row.zero("tracebacks", sum("Traceback" in text for text in said))
    digest = _digest(base / "model")
    row.add("model", "whole" if digest not in (None, "mixed") else digest, "whole")
    return row


def _on_a_full_disk(scene):
    row = Row("train, full disk")
    if os.geteuid() != 0:
        row.skipped = "only root may mount a tmpfs: run it as root"
        return row
    with tempfile.TemporaryDirectory() as name, full_tmpfs() as full:
        base = Path(name, "ml")
        _lay_out(scene, base, 1)
        (base / "model").symlink_to(full)
        job = _start(base)
        said = job.communicate(timeout=_SECONDS)[0].decode()
        reasons = [line for line in said.splitlines() if "space" in line.lower()]
        row.add("exit code", job.returncode, "not 0", job.returncode != 0)
        row.add("reason", reasons[-1][-150:] if reasons else "none", "one line", bool(reasons))
        row.zero("tracebacks", int("Traceback" in said))
        row.notes += said.splitlines()[-5:]
    return row
