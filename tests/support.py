"""Helpers of the tests: /opt/ml trees laid out as SageMaker does, and server processes."""

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import numpy as np

from mlserver_forest.artifact import model_directory
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.insight.baseline import Baseline
from mlserver_forest.model.model import Model

ROOT = Path(__file__).parent.parent
IRIS = ROOT / "data" / "iris.csv"
PAYLOAD = ROOT / "data" / "payload.csv"
BIN = Path(sys.executable).parent
SERVE = (BIN / "serve",)
IRIS_NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def answers_of(estimator, x):
    """scikit-learn's answers in the shape of ``Forest.predict``: (n_samples, n_columns)."""
    if hasattr(estimator, "score_samples"):
        return np.column_stack([estimator.score_samples(x), estimator.decision_function(x)])
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(x)
    return estimator.predict(x).reshape(len(x), -1)


def save_model(
    directory,
    estimator,
    x,
    *,
    names=IRIS_NAMES,
    name="forest",
    categories=None,
    has_baseline=False,
    intervals=None,
):
    """Write the artifact of a fitted estimator, as training does."""
    imported = import_estimator(estimator)
    schema = replace(imported.schema, feature_names=names, categories=categories or {})
    x = x.astype(imported.forest.feature_dtype)
    rows = x[:17]
    baseline = Baseline.from_rows(x, imported.forest, schema) if has_baseline else None
    model_directory.save(
        directory,
        Model(schema, imported.forest, baseline, intervals),
        name=name,
        versions=["test/1"],
        self_test=(rows, answers_of(estimator, rows)),
    )
    return directory


def lay_out(base, channels, hyperparameters=None, content_type="text/csv", **files):
    """Write input/config and input/data as SageMaker does.

    ``channels`` maps a channel to its files: name -> text or bytes.
    """
    config = base / "input" / "config"
    config.mkdir(parents=True, exist_ok=True)
    for channel, contents in channels.items():
        for name, content in contents.items():
            path = base / "input" / "data" / channel / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    described = {
        name: {"TrainingInputMode": "File", "ContentType": content_type} for name in channels
    }
    documents = {
        "hyperparameters": hyperparameters or {},
        "inputdataconfig": described,
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"]},
        **files,
    }
    for name, document in documents.items():
        (config / f"{name}.json").write_text(json.dumps(document))
    return base


GRPC_CLIENT = Path(__file__).parent / "contract" / "clients" / "grpc_client.py"


def ask_over_grpc(port, x, **wanted):
    """Call over gRPC from a process of its own: tritonclient and MLServer define the same
    protobuf names, so that no process can import both.
    """
    question = {"address": f"127.0.0.1:{port}", "x": x, **wanted}
    done = subprocess.run(
        [sys.executable, GRPC_CLIENT],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


def error_of(response):
    """The message of an error in the one form that all routes have; /models has more fields."""
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    if response.url.path.startswith("/models"):
        assert document.pop("code") == response.status_code
        assert document.pop("type").endswith("Exception")
        assert document.pop("message")
    assert set(document) == {"error", "request_id"}
    assert "Traceback" not in document["error"]
    return document["error"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children_of(pid):
    """The processes that a process has started, and that are not zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(path.parent.name))
    return sorted(found)


def signal_another_thread(pid, number):
    """Send a signal to a thread of a process that is not its first, as the system may."""
    thread = max(int(path.name) for path in Path(f"/proc/{pid}/task").iterdir())
    assert thread != pid
    assert ctypes.CDLL(None, use_errno=True).tgkill(pid, thread, number) == 0


def clean_environ(**variables):
    """This process's environment without what would change a server, plus ``variables``."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SAGEMAKER", "MLSERVER", "MLFLOW", "FOREST", "PROMETHEUS"))
    }
    return kept | {"PYTHONUNBUFFERED": "1"} | variables


@dataclass
class Running:
    process: subprocess.Popen  # Or a ForkedCommand.
    http_port: int
    grpc_port: int

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http_port}"

    def workers(self):
        """The processes that answer."""
        return children_of(self.process.pid)

    def wait_until_ready(self, path="/ping", seconds=180):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"exited: {self.process.communicate()}"
            try:
                if httpx.get(self.url + path, timeout=2).status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{path} did not say 200 within {seconds} s")

    def stop(self, number=signal.SIGTERM):
        """Send a signal; return exit code, stdout and stderr."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def launch(model_dir, command=None, **variables):
    """Start ``serve`` on a model directory, on free ports.

    ``command`` starts a process from nothing, such as ``SERVE``, the installed script; it costs
    a second more.
    """
    http_port, grpc_port = free_port(), free_port()
    environ = clean_environ(
        **{
            "SAGEMAKER_BASE_DIR": str(Path(model_dir).parent),
            "SAGEMAKER_BIND_TO_PORT": str(http_port),
            "FOREST_GRPC_PORT": str(grpc_port),
            **variables,
        }
    )
    if command is None:
        from forked_command import ForkedCommand  # Benchmarks, which cannot, name a command.

        process = ForkedCommand("serve", environ=environ)
    else:
        process = subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    return Running(process, http_port, grpc_port)


@contextlib.contextmanager
def serving(model_dir, **variables):
    """A ready ``serve`` on a model directory; it ends with the block."""
    server = launch(model_dir, **variables)
    try:
        yield server.wait_until_ready()
    finally:
        server.end()
