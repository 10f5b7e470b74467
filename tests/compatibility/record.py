"""Record what the installed version trains, packs and answers; later versions must agree with it.

``python tests/compatibility/record.py FOLDER`` writes a folder per model: the model directory
that ``train`` or ``forest pack`` wrote, and requests.json with the requests and the answers that
``serve`` gave. It uses only commands and HTTP, so that it runs with any version.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import httpx
import joblib
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from sklearn import ensemble, tree

BIN = Path(sys.executable).parent
NAMES = ("size", "colour", "is_new", "age")
COLOURS = ("blue", "green", "red", "dark red")
TREES = {
    "random_forest": {"n_estimators": "6", "max_depth": "4"},
    "extra_trees": {"n_estimators": "6", "max_depth": "4"},
    "decision_tree": {"max_depth": "4"},
    "hist_gradient_boosting": {"max_iter": "6", "max_depth": "3"},
    "xgboost": {"n_estimators": "6", "max_depth": "3"},
    "lightgbm": {"n_estimators": "6", "num_leaves": "7"},
}
N_TRAINING, N_REQUESTED = 240, 12


def mixed_table(n, seed):
    """A table of numbers, categories, booleans and missing values, with two targets."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "size": random.uniform(-3, 3, n).round(3),
            "colour": random.choice(COLOURS, n),
            "is_new": random.choice([True, False], n),
            "age": random.integers(0, 90, n).astype(float),
        }
    )
    score = table["size"] + 2 * (table["colour"] == "red") + 0.02 * table["age"]
    table["price"] = (score + 0.3 * random.normal(size=n)).round(4)
    table["grade"] = np.array(["low", "middle", "high"])[np.digitize(table["price"], [0, 2])]
    table.loc[random.random(n) < 0.05, "age"] = np.nan
    return table


def train(folder, algorithm, target, **more):
    """Train as SageMaker does, and return the model directory."""
    base = folder / "ml"
    table = mixed_table(N_TRAINING, 1).drop(columns={"price": "grade", "grade": "price"}[target])
    channel = base / "input" / "data" / "train"
    channel.mkdir(parents=True)
    table.to_csv(channel / "table.csv", index=False)
    chosen = {"algorithm": algorithm, "target": target, "random_state": "1", "report": "false"}
    config = base / "input" / "config"
    config.mkdir()
    documents = {
        "hyperparameters": chosen | TREES[algorithm] | more,
        "inputdataconfig": {"train": {"TrainingInputMode": "File", "ContentType": "text/csv"}},
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"]},
    }
    for name, document in documents.items():
        (config / f"{name}.json").write_text(json.dumps(document))
    environ = os.environ | {"SAGEMAKER_BASE_DIR": str(base)}
    subprocess.run([BIN / "train"], env=environ, check=True, stdout=subprocess.DEVNULL)
    return base / "model"


def pack(folder, write, options):
    """Pack what ``write`` writes to a path, and return the model directory."""
    file = write(folder)
    out = folder / "model"
    command = [BIN / "forest", "pack", file, "--out", out, *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out


def estimators():
    """Fitted estimators by name, and how each is written: path and options of ``forest pack``."""
    table = mixed_table(N_TRAINING, 2)
    x = table[["size", "age"]].fillna(0.0).to_numpy()
    with_missing = table[["size", "age"]].to_numpy()
    y, labels = table["price"].to_numpy(), table["grade"].to_numpy()
    codes = np.unique(labels, return_inverse=True)[1]
    coloured = np.column_stack([with_missing, table["colour"].map(COLOURS.index)])
    forest = {"n_estimators": 6, "max_depth": 4, "random_state": 0}
    boosted = {"n_estimators": 5, "max_depth": 3, "random_state": 0}
    rounds = {"max_iter": 5, "random_state": 0}
    sklearn = {
        "strings": ensemble.RandomForestClassifier(**forest).fit(x, labels),
        "integers": ensemble.ExtraTreesClassifier(**forest).fit(x, codes - 1),
        "booleans": tree.DecisionTreeClassifier(max_depth=4).fit(x, y > 1),
        "several-targets": ensemble.RandomForestRegressor(**forest).fit(x, np.c_[y, -y, y**2]),
        "missing": ensemble.ExtraTreesRegressor(**forest).fit(with_missing, y),
        "gradient-boosting": ensemble.GradientBoostingClassifier(**boosted).fit(x, labels),
        "gradient-boosting-regressor": ensemble.GradientBoostingRegressor(**boosted).fit(x, y),
        "hist-categories": ensemble.HistGradientBoostingClassifier(
            categorical_features=[2], **rounds
        ).fit(coloured, labels),
        "hist-poisson": ensemble.HistGradientBoostingRegressor(loss="poisson", **rounds).fit(
            with_missing, np.abs(y)
        ),
        "isolation": ensemble.IsolationForest(n_estimators=6, random_state=0).fit(x),
    }
    for name, estimator in sklearn.items():
        yield f"scikit-learn-{name}", _joblib(estimator), ("--trust-pickle",)
    few = {"n_estimators": 5, "max_depth": 3, "n_jobs": 1}
    boosters = {
        "classes.ubj": xgboost.XGBClassifier(**few).fit(with_missing, codes),
        "binary.json": xgboost.XGBClassifier(**few).fit(with_missing, y > 1),
        "dart.ubj": xgboost.XGBRegressor(booster="dart", rate_drop=0.3, seed=1, **few).fit(x, y),
        "forest.json": xgboost.XGBRFRegressor(**few).fit(x, y),
        "categories.ubj": xgboost.XGBRegressor(enable_categorical=True, **few).fit(
            pd.DataFrame({"size": table["size"], "colour": codes_of(table["colour"])}), y
        ),
    }
    for name, booster in boosters.items():
        yield f"xgboost-{name.partition('.')[0]}", _xgboost(booster, name), ()
    quiet = {"n_estimators": 5, "num_leaves": 7, "n_jobs": 1, "verbosity": -1}
    light = {
        "classes": lightgbm.LGBMClassifier(**quiet).fit(with_missing, labels),
        "numbers": lightgbm.LGBMRegressor(**quiet).fit(with_missing, y),
        "categories": lightgbm.LGBMRegressor(**quiet).fit(coloured, y, categorical_feature=[2]),
    }
    for name, model in light.items():
        yield f"lightgbm-{name}", _lightgbm(model), ()


def codes_of(colours):
    """The positions of colours, as pandas' categories."""
    return colours.map(COLOURS.index).astype("category")


def _joblib(estimator):
    def write(folder):
        joblib.dump(estimator, folder / "model.joblib")
        return folder / "model.joblib"

    return write


def _xgboost(booster, name):
    def write(folder):
        booster.save_model(folder / name)
        return folder / name

    return write


def _lightgbm(model):
    def write(folder):
        model.booster_.save_model(folder / "model.txt")
        return folder / "model.txt"

    return write


def requests_for(metadata):
    """Requests to one model, by its V2 metadata: (method, path, headers, body)."""
    inputs = metadata["inputs"]
    table = mixed_table(N_REQUESTED, 3)
    rows = _rows(inputs, table)
    text = "".join(",".join(map(_cell, row)) + "\n" for row in rows).encode()
    names = [tensor["name"] for tensor in inputs]
    csv, json_, lines = "text/csv", "application/json", "application/jsonlines"
    path = "/models/{name}/invoke"
    yield "POST", path, {"content-type": csv}, text
    yield "POST", path, {"content-type": csv, "accept": json_}, text
    yield "POST", path, {"content-type": csv, "accept": lines}, text.splitlines(keepends=True)[0]
    if len(names) > 1:
        header = (",".join(names) + "\n").encode()
        yield "POST", path, {"content-type": f"{csv}; header=present"}, header + text
        objects = {"instances": [dict(zip(names, row, strict=True)) for row in rows]}
        yield "POST", path, {"content-type": json_}, json.dumps(objects).encode()
    listed = {"instances": rows}
    yield "POST", path, {"content-type": json_, "accept": csv}, json.dumps(listed).encode()
    document = {
        "inputs": _tensors(inputs, rows),
        "outputs": [{"name": output["name"]} for output in metadata["outputs"]],
    }
    infer = "/v2/models/{name}/infer"
    yield "POST", infer, {"content-type": json_}, json.dumps(document).encode()
    yield "GET", "/v2/models/{name}", {}, b""


def _rows(inputs, table):
    """The requested rows with as many columns as the model reads, ``None`` where one is missing."""
    columns = [tensor["name"] for tensor in inputs]
    width = inputs[0]["shape"][-1] if len(inputs) == 1 and len(inputs[0]["shape"]) > 1 else 0
    if set(columns) <= set(table):
        chosen = table[columns]
        if any(tensor["name"] == "colour" and tensor["datatype"] != "BYTES" for tensor in inputs):
            chosen = chosen.assign(colour=table["colour"].map(COLOURS.index))
    else:
        numbers = table[["size", "age"]].assign(colour=table["colour"].map(COLOURS.index))
        chosen = numbers.iloc[:, : width or len(columns)]
    values = chosen.astype(object).where(chosen.notna(), None)
    return [[_plain(value) for value in row] for row in values.to_numpy().tolist()]


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


def _cell(value):
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tensors(inputs, rows):
    if len(inputs) == 1 and inputs[0]["shape"][-1] > 1:
        data = [value for row in rows for value in row]
        shape = [len(rows), len(rows[0])]
        return [{**_tensor(inputs[0]), "shape": shape, "data": data}]
    return [
        {**_tensor(tensor), "shape": [len(rows), 1], "data": [row[place] for row in rows]}
        for place, tensor in enumerate(inputs)
    ]


def _tensor(tensor):
    return {"name": tensor["name"], "datatype": tensor["datatype"]}


def record_answers(client, name, directory):
    """Load a model, send it its requests, and return them with the answers."""
    load = {"model_name": name, "url": str(directory)}
    client.post("/models", json=load).raise_for_status()
    metadata = client.get(f"/v2/models/{name}").raise_for_status().json()
    recorded = []
    for method, path, headers, body in requests_for(metadata):
        response = client.request(method, path.format(name=name), headers=headers, content=body)
        recorded.append(
            {
                "method": method,
                "path": path,
                "headers": headers,
                "body": body.decode(),
                "status": response.status_code,
                "content_type": response.headers["content-type"],
                "answer": response.text,
            }
        )
    client.delete(f"/models/{name}").raise_for_status()
    return recorded


def recipes():
    """Every model by name, and what makes its model directory in a folder."""
    for algorithm in TREES:
        for target, task in (("grade", "classifier"), ("price", "regressor")):
            name = f"trained-{algorithm.replace('_', '-')}-{task}"
            yield name, partial(train, algorithm=algorithm, target=target)
    for algorithm, target in (
        ("extra_trees", "price"),
        ("xgboost", "price"),
        ("random_forest", "grade"),
        ("lightgbm", "grade"),
    ):
        name = f"trained-{algorithm.replace('_', '-')}-interval-{target}"
        yield name, partial(train, algorithm=algorithm, target=target, prediction_interval="0.9")
    for name, write, options in estimators():
        yield name, partial(pack, write=write, options=options)


def record(client, name, make, out):
    """Make a model in a folder of its own, and write it and its answers below ``out``."""
    with tempfile.TemporaryDirectory() as folder:
        directory = make(Path(folder))
        recorded = record_answers(client, name, directory)
        # 0.1.0 answers 500 to an anomaly detector's scores in V2's JSON: nothing to agree with.
        recorded = [request for request in recorded if request["status"] != 500]
        assert all(request["status"] == 200 for request in recorded), (name, recorded)
        shutil.copytree(directory, out / name / "model")
    text = json.dumps(recorded, indent=1, ensure_ascii=False)
    (out / name / "requests.json").write_text(text + "\n")


def main(out):
    """Record every model that is not below ``out`` yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = os.environ | {
        "SAGEMAKER_MULTI_MODEL": "true",
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "FOREST_GRPC_PORT": "off",
        "MODEL_SERVER_WORKERS": "1",
        "MODEL_SERVER_TIMEOUT": "600",  # The first explanation may compile its kernel.
    }
    server = subprocess.Popen([BIN / "serve"], env=environ)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600) as client:
            _wait(client)
            for name, make in recipes():
                if not (out / name).exists():
                    print(name, flush=True)
                    record(client, name, make, out)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def _wait(client):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if client.get("/ping").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError("serve was not ready within 60 s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
