"""Clients of the gRPC port leave without losing a call, when the server or a worker ends."""

import signal
import threading
import time

import grpc
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

from grpc_load import GRPCLoad, ask, connect, message_of
from support import launch, save_model

_ROW = [[5.9, 3.0, 5.1, 1.8]]
_METHOD = "/inference.GRPCInferenceService/ModelInfer"
_STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    x, y = load_iris(return_X_y=True)
    forest = RandomForestClassifier(10, random_state=0).fit(x.astype(np.float32), y)
    return save_model(tmp_path_factory.mktemp("ml") / "model", forest, x.astype(np.float32))


@pytest.fixture
def server(model_dir):
    running = launch(model_dir, MODEL_SERVER_WORKERS="2").wait_until_ready()
    yield running
    running.end()


def test_sigterm_loses_no_call(server):
    message = message_of(_ROW)
    with GRPCLoad(server.grpc_port, 12, message, ask(server.grpc_port, message)) as load:
        time.sleep(0.5)
        code, _, err = server.stop()
        ended = load.join()
    assert (code, "Traceback" in err) == (0, False)
    assert set(ended) == {"right"}, ended


def test_sighup_loses_no_call(server):
    message = message_of(_ROW)
    before = set(server.workers())
    with GRPCLoad(server.grpc_port, 12, message, ask(server.grpc_port, message)) as load:
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while before & set(server.workers()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        ended = load.stop()
    assert set(ended) == {"right"}, ended


def test_an_answer_that_is_read_slowly_arrives_whole(server):
    """It is longer than the socket's buffers, so that gRPC writes it in parts."""
    message = message_of(np.repeat(_ROW, 400_000, axis=0))
    right = ask(server.grpc_port, message)
    with connect(server.grpc_port) as channel:
        call = channel.unary_unary(_METHOD).future(message, timeout=60)
        time.sleep(0.2)
        code, _, _ = server.stop()
        assert call.result() == right
    assert code == 0


def test_a_stream_that_waits_for_its_client_does_not_hold_the_server(server):
    message, ended = message_of(_ROW), threading.Event()

    def requests():
        yield message
        ended.wait()

    with connect(server.grpc_port) as channel:
        answers = channel.stream_stream(_STREAM)(requests(), timeout=60)
        assert next(answers)
        started = time.monotonic()
        code, _, _ = server.stop()
        seconds = time.monotonic() - started
        ended.set()
        with pytest.raises(grpc.RpcError):
            next(answers)
    assert code == 0
    assert seconds < 15  # The drain is 20 s; a call in flight would get them.
