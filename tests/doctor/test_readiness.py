"""What keeps a server from being ready is named long before the time for its start is over."""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlserver_forest.doctor.local_server import DirectoryTarget
from mlserver_forest.doctor.readiness import wait_until_ready
from mlserver_forest.doctor.target import Setting, StartFailure

WRONG = Path(__file__).parent / "wrong_server.py"
# What is seen, and what to do.
SAID = {
    "elsewhere": (r"listens on 127\.0\.0\.1:\d+, not on port \d+; the log is empty", "listen on"),
    "does nothing": (r"listens on no port, and all its threads sleep", "start a server on 0.0.0.0"),
    "ping 404": (r"GET /ping answers 404 text/html", "add the route GET /ping"),
    "ping 500": (r"GET /ping answers 500 text/html", "see the log for the error"),
    "ping 503": (r"GET /ping answers 503 text/html", "answer 200 once the model is loaded"),
    "silent": (r"port \d+ is open, but there is no answer: GET /ping: no", "over HTTP/1.1"),
}


def failure_of(fault, folder):
    folder = folder / fault.replace(" ", "-")
    (folder / "model").mkdir(parents=True)
    command = [sys.executable, str(WRONG), fault]
    target = DirectoryTarget(folder / "model", command, {}, folder)
    with target.serving(Setting()) as server, pytest.raises(StartFailure) as raised:
        wait_until_ready(server, 480)
    return raised.value


def test_what_keeps_a_server_from_being_ready_is_named(tmp_path):
    with ThreadPoolExecutor(len(SAID)) as pool:
        found = dict(zip(SAID, pool.map(lambda one: failure_of(one, tmp_path), SAID), strict=True))
    for fault, (says, advice) in SAID.items():
        assert re.match(says, str(found[fault])), (fault, found[fault])
        assert advice in found[fault].advice, fault
