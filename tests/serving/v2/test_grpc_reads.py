"""Messages that many clients send at once are given up before they take all memory."""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from grpc_load import ask, message_of
from raw_grpc import MODEL_INFER, MODEL_STREAM_INFER, RawGRPC, prefixed

N_CLIENTS, MEGABYTES, FEWEST_GIVEN_UP = 12, 40, 6
MOST_MEGABYTES = 300


def private_megabytes(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", text)[1]) >> 10


def send_all_but_the_end(clients):
    """Send 40 MB from each, until enough of them are given up or all is sent."""
    streams = {client: client.call(MODEL_INFER) for client in clients}
    left = dict.fromkeys(clients, MEGABYTES << 20)
    for client, stream in streams.items():
        client.send(stream, prefixed(MEGABYTES << 20))
    piece = bytes(1 << 20)
    while max(left.values()) > 1:
        open_ones = [client for client in clients if streams[client] not in client.ended]
        if len(clients) - len(open_ones) >= FEWEST_GIVEN_UP:
            return
        for client in open_ones:
            left[client] -= client.send(streams[client], piece[: max(left[client] - 1, 0)])


@pytest.fixture
def server(start_serve, model_dir):
    return start_serve(model_dir, MODEL_SERVER_WORKERS="1").wait_until_ready()


def test_messages_that_grow_together_are_given_up_and_their_memory_comes_back(server):
    (worker,) = server.workers()
    message = message_of([[5.9, 3.0, 5.1, 1.8]])
    right = ask(server.grpc_port, message)
    before = private_megabytes(worker)
    with ExitStack() as stack:
        clients = [stack.enter_context(RawGRPC(server.grpc_port)) for _ in range(N_CLIENTS)]
        waiting = stack.enter_context(RawGRPC(server.grpc_port))
        stream = waiting.call(MODEL_STREAM_INFER)
        send_all_but_the_end(clients)
        assert ask(server.grpc_port, message) == right
        assert private_megabytes(worker) - before < MOST_MEGABYTES
        waiting.receive()
        assert stream not in waiting.ended


def test_a_large_message_that_comes_slowly_is_read(server):
    rows = [[5.9, 3.0, 5.1, 1.8]] * 200_000
    message = message_of(rows)
    with RawGRPC(server.grpc_port) as client:
        stream = client.call(MODEL_INFER)
        client.send(stream, prefixed(len(message)))
        n_sent = 0
        while n_sent < len(message):
            n_sent += client.send(stream, message[n_sent : n_sent + (1 << 14)])
        while stream not in client.ended:
            client.receive(10)
        assert client.n_received > 200_000 * len("virginica")
