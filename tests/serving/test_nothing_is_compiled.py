"""No request waits for the compiler: all that it can reach is compiled before the server is ready.

Each server is a process of its own, because what one model has compiled would be there for others.
"""

import functools
import json
import shutil
from pathlib import Path

import httpx
import pytest

from compile_record import record
from forked_command import ForkedCommand
from support import Running, clean_environ, free_port

RELEASE = Path(__file__).parents[1] / "compatibility" / "0.1.0"
# Each kind of nodes, sums and splits; intervals with and without samples; an isolation forest. The
# last two are served together, as versions of one model.
MODELS = (
    ("trained-extra-trees-interval-price",),
    ("trained-lightgbm-interval-grade",),
    ("scikit-learn-isolation",),
    ("scikit-learn-several-targets",),
    ("xgboost-categories", "lightgbm-categories"),
)
# Enough for a block of rows, for texts that are not read one by one, and for a count of drift.
REPEATS = 30


@pytest.mark.parametrize("names", MODELS, ids="-".join)
def test_requests_for_every_output_in_every_format_compile_nothing(tmp_path, names):
    log = tmp_path / "compiled"
    ports = free_port(), free_port()
    base, requests, variables = RELEASE / names[0], list(requests_to(names[0])), {}
    if len(names) > 1:
        base = tmp_path
        for version, name in enumerate(names):
            shutil.copytree(RELEASE / name / "model", base / "model" / str(version))
        # Each version gets half of the requests, and refuses those that are for the other one.
        requests = [one for name in names for one in requests_to(name, "m")] * 6
        variables = {
            "FOREST_TRAFFIC": "0:50,1:50",
            "FOREST_REQUEST_LOG": str(tmp_path / "requests"),
            "MLSERVER_MODEL_NAME": "m",
        }
    environ = clean_environ(
        SAGEMAKER_BASE_DIR=str(base),
        SAGEMAKER_BIND_TO_PORT=str(ports[0]),
        FOREST_GRPC_PORT=str(ports[1]),
        MODEL_SERVER_WORKERS="1",
        **variables,
    )
    prepare = functools.partial(record, log)
    server = Running(ForkedCommand("serve", environ=environ, prepare=prepare), *ports)
    try:
        server.wait_until_ready()
        before = log.read_text()
        with httpx.Client(base_url=server.url, timeout=60) as client:
            n_answers = sum(is_answered(client, *request) for request in requests)
            assert "forest_drift_rows" in client.get("/metrics").text
    finally:
        server.end()
    assert n_answers > 8
    assert log.read_text() == before


def is_answered(client, path, headers, body):
    response = client.post(path, headers=headers, content=body)
    assert response.status_code in (200, 400, 415), response.text
    return response.status_code == 200


def requests_to(name, served_as=None):
    """The recorded requests, larger ones, and all outputs at once."""
    recorded = json.loads((RELEASE / name / "requests.json").read_text())
    outputs = json.loads(recorded[-1]["answer"])["outputs"]
    own = json.loads((RELEASE / name / "model" / "model-settings.json").read_text())["name"]
    own = served_as or own
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
