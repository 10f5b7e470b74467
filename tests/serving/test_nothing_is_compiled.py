"""No request waits for the compiler: all that it can reach is compiled before the server is ready.

Each server is a process of its own, because what one model has compiled would be there for others.
"""

import functools
import json
from pathlib import Path

import httpx
import pytest

from compile_record import record
from forked_command import ForkedCommand
from support import Running, clean_environ, free_port

RELEASE = Path(__file__).parents[1] / "compatibility" / "0.1.0"
# Each kind of nodes, sums and splits; intervals with and without samples; an isolation forest.
MODELS = (
    "trained-extra-trees-interval-price",
    "trained-lightgbm-interval-grade",
    "scikit-learn-isolation",
    "scikit-learn-several-targets",
    "xgboost-categories",
    "lightgbm-categories",
)
# Enough for a block of rows, for texts that are not read one by one, and for a count of drift.
REPEATS = 30


@pytest.mark.parametrize("name", MODELS)
def test_requests_for_every_output_in_every_format_compile_nothing(tmp_path, name):
    log = tmp_path / "compiled"
    ports = free_port(), free_port()
    environ = clean_environ(
        SAGEMAKER_BASE_DIR=str(RELEASE / name),
        SAGEMAKER_BIND_TO_PORT=str(ports[0]),
        FOREST_GRPC_PORT=str(ports[1]),
        MODEL_SERVER_WORKERS="1",
    )
    prepare = functools.partial(record, log)
    server = Running(ForkedCommand("serve", environ=environ, prepare=prepare), *ports)
    try:
        server.wait_until_ready()
        before = log.read_text()
        with httpx.Client(base_url=server.url, timeout=60) as client:
            n_answers = sum(is_answered(client, *request) for request in requests_to(name))
            assert "forest_drift_rows" in client.get("/metrics").text
    finally:
        server.end()
    assert n_answers > 8
    assert log.read_text() == before


def is_answered(client, path, headers, body):
    response = client.post(path, headers=headers, content=body)
    assert response.status_code in (200, 400, 415), response.text
    return response.status_code == 200


def requests_to(name):
    """The recorded requests, larger ones, and all outputs at once."""
    recorded = json.loads((RELEASE / name / "requests.json").read_text())
    outputs = json.loads(recorded[-1]["answer"])["outputs"]
    own = json.loads((RELEASE / name / "model" / "model-settings.json").read_text())["name"]
    for request in recorded:
        path, headers, body = request["path"], request["headers"], request["body"]
        if request["method"] == "GET":
            continue
        if "infer" in path:
            everything = json.loads(body) | {"outputs": [{"name": one["name"]} for one in outputs]}
            yield f"/v2/models/{own}/infer", headers, json.dumps(everything)
            continue
        yield "/invocations", headers, body
        kind = headers["content-type"]
        if kind == "text/csv":
            yield "/invocations", headers, body * REPEATS
            quoted = "\n".join(
                ",".join(f'"{field}"' for field in line.split(",")) for line in body.splitlines()
            )
            yield "/invocations", headers, quoted * REPEATS
            yield "/invocations", headers, body.splitlines()[0]
