"""Clients that call the server over gRPC without a pause, and count how each call ends."""

import threading
import time
from collections import Counter

import grpc
import numpy as np
from mlserver.grpc import dataplane_pb2 as pb

_METHOD = "/inference.GRPCInferenceService/ModelInfer"
_PAUSE_SECONDS = 0.003
_CALL_SECONDS = 30


def message_of(rows, model="forest"):
    """The bytes of a ``ModelInferRequest`` with rows of FP32 in raw contents."""
    rows = np.asarray(rows, "<f4")
    message = pb.ModelInferRequest(model_name=model)
    message.inputs.add(name="X", datatype="FP32", shape=rows.shape)
    message.raw_input_contents.append(rows.tobytes())
    return message.SerializeToString()


def connect(port, most_bytes=1 << 30):
    """A connection of its own, where channels of a process share one otherwise."""
    options = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_receive_message_length", most_bytes),
    ]
    return grpc.insecure_channel(f"127.0.0.1:{port}", options=options)


class GRPCLoad:
    """Calls from ``n_clients`` connections until the server refuses connections, or ``stop``.

    ``ended`` counts the calls: "right", "wrong", or the code and details of the error. The last
    call of a client, which found nobody on the port, is not counted.
    """

    def __init__(self, port, n_clients, message, right):
        self._port, self._message, self._right = port, message, right
        self._must_end = threading.Event()
        self._lock = threading.Lock()
        self.ended = Counter()
        self._threads = [threading.Thread(target=self._call) for _ in range(n_clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.stop()

    def stop(self):
        """Wait for the calls in flight; return the counts."""
        self._must_end.set()
        return self.join()

    def join(self):
        """Wait until the server refuses connections; return the counts."""
        for thread in self._threads:
            thread.join()
        return self.ended

    def _call(self):
        with connect(self._port) as channel:
            infer = channel.unary_unary(_METHOD)
            while not self._must_end.is_set():
                try:
                    answer = infer(self._message, timeout=_CALL_SECONDS)
                    end = "right" if answer == self._right else "wrong"
                except grpc.RpcError as error:
                    if "Connection refused" in error.details():
                        return
                    end = f"{error.code().name}: {error.details()}"
                with self._lock:
                    self.ended[end] += 1
                time.sleep(_PAUSE_SECONDS)


def ask(port, message):
    """The bytes that answer one call."""
    with connect(port) as channel:
        return channel.unary_unary(_METHOD)(message, timeout=_CALL_SECONDS)
