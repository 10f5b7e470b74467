"""Inference pipelines: several containers on one host, each with its port."""

import socket
from functools import partial
from pathlib import Path

import httpx
import pytest

from support import free_port

CSV = {"content-type": "text/csv"}


def listening(pid):
    """The TCP ports on which a process listens, as the kernel lists them."""
    sockets = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


@pytest.fixture
def in_pipeline(model_dir, start_serve):
    """Start a server with the variables that SageMaker sets, and no other."""
    return partial(start_serve, model_dir, FOREST_GRPC_PORT="")


def test_the_bound_port_is_the_only_one(in_pipeline):
    server = in_pipeline(SAGEMAKER_SAFE_PORT_RANGE="20000-29999").wait_until_ready()
    assert set.union(*map(listening, [server.process.pid, *server.workers()])) == {server.http_port}
    response = httpx.post(server.url + "/invocations", content="1,2,3,4", headers=CSV)
    assert response.status_code == 200


def test_grpc_may_have_a_port_of_the_safe_range(model_dir, start_serve):
    port = free_port()
    server = start_serve(
        model_dir,
        FOREST_GRPC_PORT=str(port),
        SAGEMAKER_SAFE_PORT_RANGE=f"{port}-{port}",
    ).wait_until_ready()
    assert set.union(*map(listening, [server.process.pid, *server.workers()])) == {
        server.http_port,
        port,
    }


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("1-2", "FOREST_GRPC_PORT is {port}, outside SAGEMAKER_SAFE_PORT_RANGE 1-2"),
        ("many", "SAGEMAKER_SAFE_PORT_RANGE is 'many'"),
    ],
)
def test_a_port_outside_the_range_is_refused_at_start(model_dir, start_serve, value, fault):
    port = free_port()
    server = start_serve(model_dir, FOREST_GRPC_PORT=str(port), SAGEMAKER_SAFE_PORT_RANGE=value)
    _, err = server.process.communicate(timeout=60)
    assert server.process.returncode == 1
    assert err.startswith("serve: " + fault.format(port=port))
    assert len(err.splitlines()) == 1


def test_an_answer_is_the_next_containers_request(start_serve, model_dir):
    """The operator fixes the type between containers; attributes go through."""
    server = start_serve(
        model_dir,
        SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv",
        SAGEMAKER_INFERENCE_OUTPUT="predicted_label,probability",
    ).wait_until_ready()
    response = httpx.post(
        server.url + "/invocations",
        json={"instances": [[5.9, 3.0, 5.1, 1.8]]},
        headers={"x-amzn-sagemaker-custom-attributes": "id=7", "accept": "*/*"},
    )
    assert response.headers["content-type"] == "text/csv"
    assert response.headers["x-amzn-sagemaker-custom-attributes"] == "id=7"
    label, probability = response.text.strip().split(",")
    assert label == "virginica"
    assert 0.5 < float(probability) <= 1


def test_two_servers_share_a_host(in_pipeline):
    first, second = in_pipeline(), in_pipeline()
    for server in (first, second):
        server.wait_until_ready()
    with socket.create_connection(("127.0.0.1", second.http_port)):
        pass
