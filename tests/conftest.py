"""Fixtures: a real small forest, its artifact, and real server processes."""

import os

# Threads that wait should not keep a core busy: tests run side by side, and beside the processes
# that they start. Boosting two of them took 2.5 times the CPU without this. OpenMP reads it once.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import contextlib
import functools
import subprocess
import sys
import time

import httpx
import numpy as np
import pytest
from httpx._transports import default
from hypothesis import HealthCheck, settings

from support import IRIS, ROOT, free_port, launch, save_model, serving

# How fast examples are made or run depends on what else the machine does, and is not tested. Each
# run draws others, so that many runs see more than one run with more examples.
settings.register_profile(
    "suite", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

# Each call without a client makes a context for TLS, which reads the system's certificates: 35 ms,
# ten times as long as most answers take, and half of the time in which a server is waited for.
default.create_ssl_context = functools.cache(default.create_ssl_context)

# The files that take longest, in the order in which they start. With processes that each take
# the next file, a long one at the end would leave the other process without work. The tests of the
# image are not the first, because it may still be built.
LONGEST = [
    ROOT / "tests" / name
    for name in (
        "training/cluster/test_hosts.py",
        "test_docs.py",
        "container/test_image.py",
        "container/test_sagemaker_sdk.py",
        "container/test_doctor.py",
        "doctor/test_cli.py",
        "training/fitting/test_stopping.py",
        "test_readme.py",
        "serving/test_server.py",
        "aws/test_executor.py",
        "importers/pack/test_cli.py",
        "container/test_kserve.py",
        "serving/process/test_supervisor.py",
        "browser/test_playground_page.py",
        "contract/test_faults.py",
        "fuzz/test_targets.py",
        "training/test_cli.py",
        "training/test_saving.py",
        "reports/training/test_write_report.py",
    )
]


def pytest_collection_modifyitems(items):
    place = {path: number for number, path in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.fixture(scope="session")
def iris():
    """The features, float32 (150, 4), and the species, strings (150,)."""
    rows = [line.split(",") for line in IRIS.read_text().split()]
    x = np.array([[float(value) for value in row[1:]] for row in rows], np.float32)
    return x, np.array([row[0] for row in rows])


@pytest.fixture(scope="session")
def iris_forest(iris):
    """A fitted scikit-learn forest of 25 trees on iris."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(25, random_state=1).fit(*iris)


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory, iris, iris_forest):
    """The artifact of ``iris_forest``; tests must not change it."""
    return save_model(tmp_path_factory.mktemp("ml") / "model", iris_forest, iris[0])


@pytest.fixture
def start_serve():
    """Start the real ``serve`` on a model directory; ended after the test."""
    started = []

    def start(model_dir, **variables):
        started.append(launch(model_dir, **variables))
        return started[-1]

    yield start
    for server in started:
        server.end()


@pytest.fixture(scope="module")
def iris_server(model_dir):
    """One real server on the iris forest for the tests of a module."""
    with serving(model_dir) as server:
        yield server


def pytest_make_parametrize_id(val, argname):
    """Archives hold the time at which they are made; each process has to name a test the same."""
    if not isinstance(val, bytes) or (len(val) < 60 and val.isascii() and b"\0" not in val):
        return None
    return f"{argname}{len(val)}"


@pytest.fixture(scope="session")
def moto():
    """moto's server, a process of its own."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{url}/moto-api/", timeout=2)
                break
            time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()
