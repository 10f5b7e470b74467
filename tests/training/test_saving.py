"""A job that is killed while it saves, and two jobs on one folder.

The process is killed, as by ``kill -9``, before an operation that changes the names of files or
makes them durable: before each of them with FOREST_EVERY_FAULT=1, and otherwise before every
seventh. What is left is the earlier model, the new one, or a reason why there is none.
"""

import hashlib
import json
import os
import signal
import time

import pytest

from forked_command import fork
from mlserver_forest.artifact.model_directory import load
from mlserver_forest.errors import InvalidArtifact
from support import IRIS, lay_out
from training.killed_jobs import hold, run_until
from training.train_command import train

STEP = 1 if os.environ.get("FOREST_EVERY_FAULT") else 7
FIRST = {"algorithm": "xgboost", "n_estimators": "3", "random_state": "1"}
SECOND = {"algorithm": "random_forest", "n_estimators": "5", "random_state": "1"}


def killed_after(base, count):
    """Whether the job was killed before it had done ``count`` operations more."""
    process = fork(run_until, base, count)
    process.join(120)
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode != 0


def choose(base, hyperparameters):
    path = base / "input" / "config" / "hyperparameters.json"
    path.write_text(json.dumps(hyperparameters))


def trees_of(directory):
    """A digest of the trees that are served; None if nothing is served."""
    if not (list(directory.glob("*.safetensors")) or (directory / "model-settings.json").exists()):
        with pytest.raises(InvalidArtifact, match="run `train` first"):
            load(directory)
        return None
    model = load(directory)
    arrays = model.forest.arrays
    return hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest()


def algorithms_of(base):
    """The algorithm that each file names."""
    found = {}
    report = base / "output" / "data" / "metrics.json"
    if report.exists():
        found["report"] = json.loads(report.read_text())["model"]
    settings = base / "model" / "model-settings.json"
    if settings.exists():
        found["card"] = json.loads(settings.read_text())["parameters"]["extra"]["card"]["algorithm"]
    return found


@pytest.mark.parametrize("has_earlier", [False, True], ids=["fresh", "earlier"])
def test_a_job_killed_while_it_saves_leaves_the_earlier_model_the_new_one_or_none(
    tmp_path, has_earlier
):
    wholes = []
    for name, chosen in (("first", FIRST), ("second", SECOND)):
        base = lay_out(tmp_path / name, {"training": {"iris.csv": IRIS.read_text()}}, chosen)
        assert train(base).returncode == 0
        wholes.append(trees_of(base / "model"))
    first, second = wholes
    allowed = {(first if has_earlier else None): "xgboost", second: "random_forest"}
    base = tmp_path / ("first" if has_earlier else "fresh")
    if not has_earlier:
        lay_out(base, {"training": {"iris.csv": IRIS.read_text()}}, SECOND)
    choose(base, SECOND)
    earlier = {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    count, seen = 0, set()
    while True:
        for path in [*base.glob("model/*"), *base.glob("output/data/*")]:
            path.unlink()
        for path, content in earlier.items():
            path.write_bytes(content)
        was_killed = killed_after(base, count)
        found = trees_of(base / "model")
        assert found in allowed, count
        assert set(algorithms_of(base).values()) <= {allowed[found]}, count
        seen.add(found)
        if not was_killed:
            break
        count += STEP
    assert found == second
    assert seen == set(allowed)
    assert count > 10
    names = {path.name for path in base.rglob("*") if path.name.startswith(".")}
    assert not names, "the last run removes what the killed ones left"


def test_a_second_job_on_a_folder_is_refused_and_the_first_is_unharmed(tmp_path):
    base = lay_out(tmp_path, {"training": {"iris.csv": IRIS.read_text()}}, FIRST)
    other = tmp_path / "other"
    lay_out(other, {"training": {"iris.csv": IRIS.read_text()}}, SECOND)
    kept = {"LocalPath": str(base / "checkpoints")}
    (other / "input" / "config" / "checkpointconfig.json").write_text(json.dumps(kept))
    process = fork(hold, base)
    wait_for(base / "held")
    try:
        for second in (base, other):
            done = train(second)
            assert done.returncode == 1
            assert "another job is using the folder" in done.stderr
            assert "another job" in (second / "output" / "failure").read_text()
        # Another host of the same job has checkpoints of its own in the folder.
        hosts = {"current_host": "algo-2", "hosts": ["algo-2"]}
        (other / "input" / "config" / "resourceconfig.json").write_text(json.dumps(hosts))
        assert train(other).returncode == 0
    finally:
        process.kill()
        process.join()
    done = train(base)
    assert done.returncode == 0, "a lock of a killed job holds nobody back"
    assert not (base / "output" / "failure").exists()


def wait_for(path):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_job_that_a_signal_ends_says_so(tmp_path, number):
    base = lay_out(tmp_path, {"training": {"iris.csv": IRIS.read_text()}}, FIRST)
    done = train(base, dies_of=number)
    assert done.returncode == 128 + number
    reason, *_ = (base / "output" / "failure").read_text().splitlines()
    assert reason.startswith(f"AlgorithmError: signal {number} (")
    assert "continues from its checkpoints" in reason
    assert "Traceback" not in done.stderr
