"""MLflow in an environment of its own, and its server on loopback with SQLite.

``MLFLOW_VERSION=2 pytest tests/with_mlflow`` takes MLflow 2 (`just mlflow 2`).
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from client_environment import packages_of
from support import clean_environ, free_port

HERE = Path(__file__).parent
VERSION = os.environ.get("MLFLOW_VERSION", "3")
NO_TELEMETRY = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str


class Mlflow:
    """Runs ``mlflow``, ``forest``, ``train`` and Python code where MLflow is installed."""

    def __init__(self, packages, folder):
        self.packages, self.folder = packages, folder
        self._n_runs = 0
        self._process = subprocess.Popen(
            [sys.executable, HERE / "forking_process.py"],
            env=self.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert json.loads(self._process.stdout.readline()) == "ready"

    def environ(self, **variables):
        path = {"PYTHONPATH": str(self.packages)}
        return clean_environ(**path, **NO_TELEMETRY, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false") | {
            name: value for name, value in variables.items() if value is not None
        }

    def run(self, *words, cwd=None, **variables):
        answer, out, err = self._ask(words, cwd or self.folder, self.environ(**variables))
        return Finished(answer, out.read_text(), err.read_text())

    def python(self, code, cwd=None, **variables):
        """What Python code prints; it has to end well."""
        done = self.run("python", code, cwd=cwd, **variables)
        assert done.code == 0, done.err
        return done.out

    def start(self, *words, **variables):
        """The process of a command that goes on, and its log."""
        pid, _, err = self._ask(words, self.folder, self.environ(**variables), goes_on=True)
        return pid, err

    def end(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def _ask(self, words, cwd, environ, *, goes_on=False):
        self._n_runs += 1
        out, err = (self.folder / f"{self._n_runs}.{end}" for end in ("out", "err"))
        request = {
            "words": [str(word) for word in words],
            "environ": environ,
            "cwd": str(cwd),
            "out": str(out),
            "err": str(err),
            "goes_on": goes_on,
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline()), out, err


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory):
    packages = packages_of(HERE / f"mlflow-{VERSION}-requirements.lock")
    mlflow = Mlflow(packages, tmp_path_factory.mktemp("mlflow"))
    yield mlflow
    mlflow.end()


@pytest.fixture(scope="session")
def tracking_uri(mlflow, tmp_path_factory):
    """``mlflow server`` with SQLite and a folder of artifacts."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    words = ["server", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    words += ["--artifacts-destination", folder / "artifacts", "--host", "127.0.0.1"]
    pid, log = mlflow.start("mlflow", *words, "--port", port, "--workers", "1")
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                    break
            assert Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z", log.read_text()
            time.sleep(0.1)
        yield url
    finally:
        os.kill(pid, signal.SIGTERM)
