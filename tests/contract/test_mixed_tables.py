"""A row means the same on both sides: a mixed table is trained on, then asked about."""

import io
import json

import httpx
import numpy as np
import pandas as pd
import pytest

from mlserver_forest.training.algorithms.estimators import make_estimator
from mlserver_forest.training.algorithms.hyperparameters import parse
from mlserver_forest.training.config import read_config
from mlserver_forest.training.data.channels import read_channel
from mlserver_forest.training.data.job_data import columns_of
from mlserver_forest.training.data.targets import learn_target
from support import lay_out, serving

N_ROWS = 600
ALGORITHMS = {
    "random_forest": {"n_estimators": "20", "intelex": "false"},
    "extra_trees": {"n_estimators": "20"},
    "decision_tree": {"max_depth": "6"},
    "hist_gradient_boosting": {"max_iter": "20"},
    "xgboost": {"n_estimators": "20"},
    "lightgbm": {"n_estimators": "20"},
}


def table(kind):
    """Words, booleans, numbers and missing values, the target among them."""
    chance = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "colour": chance.choice(["red", "green", "dark blue", 'say "x"'], N_ROWS),
            "size": chance.normal(size=N_ROWS).round(3),
            "target": "",
            "is new": chance.choice([True, False], N_ROWS),
            "code": chance.choice(["7", "x", "10"], N_ROWS),
            "count": chance.integers(0, 50, N_ROWS),
        }
    )
    score = frame["size"] + (frame["colour"] == "red") * 2 + frame["is new"] * (frame["count"] / 25)
    frame["target"] = np.where(score > 1, "yes", "no") if kind == "classes" else score.round(4)
    if kind == "three classes":
        frame["target"] = np.select([score > 2, score > 0.5], ["high", "some"], "low")
    for column in ("colour", "size"):
        frame[column] = frame[column].mask(chance.random(N_ROWS) < 0.1)
    return frame


@pytest.fixture(scope="module")
def trained(tmp_path_factory, request):
    algorithm, kind = request.param
    from training.train_command import train

    base = tmp_path_factory.mktemp(algorithm)
    text = table(kind).to_csv(index=False)
    chosen = {
        "algorithm": algorithm, "target": "target", "random_state": "3", "validation_fraction": "0",
        "report": "false", **ALGORITHMS[algorithm],
    }  # fmt: skip
    if algorithm == "random_forest":
        del chosen["validation_fraction"]
    lay_out(base, {"train": {"a.csv": text}}, chosen)
    done = train(base)
    assert done.returncode == 0, done.stdout + done.stderr
    with serving(base / "model", MODEL_SERVER_WORKERS="1") as server:
        yield server, base, kind


def of_the_library(base):
    """The answers of the estimator itself, fitted here on the same rows."""
    config = read_config(base)
    chosen = parse(config.hyperparameters)
    read = read_channel(
        config.training_channel(), columns_of(chosen), np.dtype(chosen.algorithm.dtype)
    )
    target = learn_target(read, chosen.job.task)
    estimator = make_estimator(chosen, target.kind, target.classes, read.names, read.categories, 3)
    estimator.fit(read.x, target.encode(read))
    if "n_jobs" in estimator.get_params():
        estimator.set_params(n_jobs=1)  # More threads add trees up in any order.
    if target.kind == "regression":
        return np.asarray(estimator.predict(read.x), np.float64)
    return np.asarray(estimator.predict_proba(read.x), np.float64)


def bodies(frame):
    """The same rows in each format."""
    rows = frame.drop(columns="target")
    records = json.loads(rows.to_json(orient="records"))
    shuffled = rows[["count", "code", "size", "colour", "is new"]]
    parquet = io.BytesIO()
    shuffled.to_parquet(parquet)
    lists = [list(record.values()) for record in records]
    yield "text/csv", rows.to_csv(index=False, header=False)
    yield "text/csv; header=present", shuffled.to_csv(index=False)
    yield "application/json", json.dumps({"instances": records})
    yield "application/json", json.dumps({"instances": lists})
    yield "application/jsonlines", "\n".join(map(json.dumps, records))
    yield "application/x-parquet", parquet.getvalue()


CASES = [(name, "classes") for name in ALGORITHMS]
CASES += [(name, "numbers") for name in ALGORITHMS]
CASES += [(name, "three classes") for name in ("xgboost", "lightgbm", "hist_gradient_boosting")]


@pytest.mark.parametrize("trained", CASES, indirect=True, ids="-".join)
def test_the_server_answers_as_the_estimator_by_every_format(trained):
    """Also to one row alone as to the row among others."""
    server, base, kind = trained
    expected = of_the_library(base)
    output = "predicted_score" if kind == "numbers" else "probabilities"
    for media_type, body in bodies(table(kind)):
        response = httpx.post(
            server.url + "/invocations",
            content=body,
            headers={
                "content-type": media_type,
                "accept": "application/json",
                "x-amzn-sagemaker-custom-attributes": f"outputs={output}",
            },
            timeout=60,
        )
        assert response.status_code == 200, response.text
        found = np.array([row[output] for row in response.json()["predictions"]])
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
        if base.name.startswith(("random_forest", "extra_trees", "decision_tree")):
            assert np.array_equal(found, expected)


@pytest.mark.parametrize("trained", [("random_forest", "classes")], indirect=True, ids="-".join)
def test_what_training_did_not_see_is_missing(trained):
    server, _, _ = trained

    def ask(row):
        headers = {"content-type": "application/json"}
        return httpx.post(
            server.url + "/invocations", content=json.dumps({"instances": [row]}), headers=headers
        )

    row = {"colour": "mauve", "size": 1.0, "is new": True, "code": "7", "count": 3}
    assert ask(row).content == ask({**row, "colour": None}).content
    assert ask({**row, "code": 7}).content == ask(row).content
    refused = ask({**row, "is new": "perhaps"})
    assert refused.status_code == 400
    assert "row 1, column 3 (is new): 'perhaps'" in refused.json()["error"]
