"""No request waits for the compiler: all that it can reach is compiled before the server is ready.

Each server is a process of its own, because what one model has compiled would be there for others.
"""

import functools
import json
import shutil
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  # as scikit-learn asks
from sklearn.impute import IterativeImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, OneHotEncoder, PolynomialFeatures

import mlserver_forest
from compile_record import record
from forked_command import ForkedCommand
from support import Running, ask_over_grpc, clean_environ, free_port

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
    n_answers = answered_without_compiling(base, tmp_path, requests, variables=variables)
    assert n_answers > 8


def with_mixed_columns(rows, labels, folder):
    """A pipeline whose steps mix columns, packed: all that can be derived from several."""
    numbers = ["size", "age", "price"]
    mixing = make_pipeline(IterativeImputer(), PolynomialFeatures(2), PCA(3), Normalizer())
    columns = make_column_transformer((mixing, numbers), (OneHotEncoder(), ["kind"]))
    forest = RandomForestClassifier(5, random_state=0)
    return mlserver_forest.pack(
        make_pipeline(columns, forest).fit(rows[[*numbers, "kind"]], labels), folder
    )


def with_dates(rows, labels, folder):
    return mlserver_forest.train(
        rows.assign(label=labels), "label", out=folder.parent, dates="expand", report=False,
        n_estimators=5, say=None,
    )  # fmt: skip


@pytest.mark.parametrize("make", [with_mixed_columns, with_dates])
def test_nor_do_those_to_a_model_with_derived_columns(tmp_path, make):
    chance = np.random.default_rng(0)
    rows = pd.DataFrame(chance.normal(9, 2, (60, 3)).round(1), columns=["size", "age", "price"])
    rows["kind"] = chance.choice(["flat", "house"], 60)
    rows["since"] = [f"2024-{1 + i % 12:02}-07" for i in range(60)]
    labels = np.where(rows["size"] + chance.normal(0, 1, 60) > 9, "a", "b")
    model = make(rows, labels, tmp_path / "model")
    rows, outputs = rows[[*model.feature_names]], list(model.outputs)
    text = rows.to_csv(header=False, index=False)
    tensors = [
        [name, *(("BYTES", [[v] for v in found]) if found.dtype.kind in "OTU" else ("FP64", found))]
        for name, found in rows.items()
    ]
    tensors = [[n, d, np.reshape(v, (-1, 1)).tolist()] for n, d, v in tensors]
    infer = {
        "inputs": [
            {"name": n, "datatype": d, "shape": [60, 1], "data": np.ravel(v).tolist()}
            for n, d, v in tensors
        ],
        "outputs": [{"name": name} for name in outputs],
    }
    as_csv, as_json = {"content-type": "text/csv"}, {"content-type": "application/json"}
    requests = [
        ("/invocations", as_csv, text),
        ("/invocations", as_csv, text.splitlines()[0]),
        ("/invocations", as_json, json.dumps({"instances": rows.to_dict("records")})),
        ("/v2/models/forest/infer", as_json, json.dumps(infer)),
    ]
    asked = {"model": "forest", "tensors": tensors, "outputs": outputs}
    assert answered_without_compiling(tmp_path, tmp_path, requests, asked) == len(requests)


def answered_without_compiling(base_dir, tmp_path, requests, over_grpc=None, variables=None):
    """Ask a server of its own; how many requests it has answered with 200."""
    log = tmp_path / "compiled"
    ports = free_port(), free_port()
    environ = clean_environ(
        SAGEMAKER_BASE_DIR=str(base_dir),
        SAGEMAKER_BIND_TO_PORT=str(ports[0]),
        FOREST_GRPC_PORT=str(ports[1]),
        MODEL_SERVER_WORKERS="1",
        **(variables or {}),
    )
    prepare = functools.partial(record, log)
    server = Running(ForkedCommand("serve", environ=environ, prepare=prepare), *ports)
    try:
        server.wait_until_ready()
        before = log.read_text()
        with httpx.Client(base_url=server.url, timeout=60) as client:
            n_answers = sum(is_answered(client, *request) for request in requests)
            assert "forest_drift_rows" in client.get("/metrics").text
        if over_grpc:
            answer = ask_over_grpc(server.grpc_port, None, **over_grpc)
            assert set(over_grpc["outputs"]) <= set(answer), answer
    finally:
        server.end()
    assert log.read_text() == before
    return n_answers


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
