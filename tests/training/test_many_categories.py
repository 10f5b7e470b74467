"""Columns with more categories than can be listed: hashed, or replaced by means of the target.

Jobs run with a small limit, so that small tables have too many categories.
"""

import io
import json

import httpx
import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sklearn.tree
import xgboost
from sklearn.preprocessing import TargetEncoder

from mlserver_forest import load
from mlserver_forest.errors import InvalidData, InvalidHyperparameters
from mlserver_forest.schema.city_hash import hash_text
from mlserver_forest.training.algorithms.registry import ALGORITHMS
from mlserver_forest.training.config import read_config
from mlserver_forest.training.data import table_builder
from mlserver_forest.training.fitting.stopping import Stop
from mlserver_forest.training.job import run
from support import lay_out, serving

LIMIT = 40
SEED = 7
# Missing, unknown, with white space around it, digits, and two that training has.
ASKED = ["", "nobody", " k3 ", "k3", "k17", "NA", "7"]
SMALL = {"n_estimators": 5, "iterations": 5, "max_iter": 5}


@pytest.fixture(autouse=True)
def few_categories(monkeypatch):
    monkeypatch.setattr(table_builder, "MOST_CATEGORIES", LIMIT)


def table(task, n_rows=700, seed=0):
    rng = np.random.default_rng(seed)
    word = rng.integers(0, 90, n_rows)
    effect, x = rng.normal(size=90) * 2, rng.normal(size=n_rows).round(4)
    score = effect[word] + x + rng.normal(size=n_rows)
    labels = {
        "regression": score.round(4),
        "binary": np.where(score > 0, "yes", "no"),
        "three": np.array(["a", "b", "c"])[np.digitize(score, [-1, 1])],
    }
    words = np.where(rng.random(n_rows) < 0.05, None, np.char.add("k", word.astype(str)))
    color = np.array(["red", "blue", "green"])[rng.integers(0, 3, n_rows)]
    return pd.DataFrame({"y": labels[task], "x": x, "word": words, "color": color})


def settings(algorithm, many, **more):
    chosen = {"algorithm": algorithm, "target": "y", "many_categories": many, **more}
    known = ALGORITHMS[algorithm].hyperparameters.model_fields
    small = {name: value for name, value in SMALL.items() if name in known}
    return {name: str(value) for name, value in {"random_state": SEED, **small, **chosen}.items()}


def trained(base, frame, chosen, **channels):
    """The model, and what the job logs."""
    files = {"train": {"a.csv": frame.to_csv(index=False)}, **channels}
    lines = []
    run(read_config(lay_out(base, files, chosen)), lines.append, Stop())
    return load(base / "model"), "\n".join(lines)


def answers(model, frame):
    rows = frame[["x", "word", "color"]]
    return model.predict_proba(rows) if model.schema.classes else model.predict(rows)


# ``load`` compares the forest with what the library itself predicted for the training rows.
@pytest.mark.parametrize("many", ["hash", "target"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_learns_from_a_column_of_many_categories(tmp_path, algorithm, many):
    task = ["binary", "three", "regression"][list(ALGORITHMS).index(algorithm) % 3]
    frame = table(task)
    held_out = {"validation": {"b.csv": table(task, 200, seed=0).to_csv(index=False)}}
    model, log = trained(tmp_path, frame, settings(algorithm, many), **held_out)
    assert f"(many_categories={many})" in log
    words = model.schema.categories["word"]
    assert words.is_hashed
    assert words.n_codes == (LIMIT if many == "hash" else 1 << 32)
    assert set(words.names) <= set(frame["word"])
    report = json.loads((tmp_path / "output/data/metrics.json").read_text())
    assert report["importances"]["features"].keys() == {"x", "word", "color"}
    column = report["data"]["columns"]["word"]
    assert column["n_missing"] == frame["word"].isna().sum()
    assert column["top"]
    known = frame["word"].dropna().unique()
    assert column["n_distinct"] == len({hash_text(word) % words.n_codes for word in known})
    asked = pd.DataFrame({"x": 0.5, "word": ASKED, "color": "red"})
    found = answers(model, asked)
    assert np.array_equal(found[2], found[3])  # White space does not count.
    assert np.array_equal(found[0], found[5])  # Both are missing.
    if many == "target":
        assert np.array_equal(found[0], found[1])
        every = pd.DataFrame({"x": 0.5, "word": known, "color": "red"})
        assert len(np.unique(answers(model, every).round(6), axis=0)) > 1
    else:
        codes = [words.code(word) for word in ASKED]
        assert codes[3:5] == [hash_text(word) % LIMIT for word in ASKED[3:5]]
    explained = model.explain(asked)
    assert explained.contributions.shape[:2] == (len(asked), 3)


def smoothing(frame):
    """Within over between, from a one-way analysis of variance of the column t by pandas."""
    groups = frame.dropna(subset="word").groupby("word")["t"]
    counts, means = groups.count(), groups.mean()
    whole, n_rows = frame["t"].mean(), counts.sum()
    within = ((counts - 1) * groups.var().fillna(0)).sum() / (n_rows - len(counts))
    squares = (counts * (means - whole) ** 2).sum() - (counts * (means - whole)).sum() ** 2 / n_rows
    of_group = (n_rows - (counts**2).sum() / n_rows) / (len(counts) - 1)
    between = (squares / (len(counts) - 1) - within) / of_group
    return within / between


def encoded(learned, rows, t):
    """Means of t by category, as scikit-learn's TargetEncoder has them with that smoothing."""
    learned = learned.assign(t=t)
    encoder = TargetEncoder(target_type="continuous", smooth=smoothing(learned))
    there = learned.dropna(subset="word")
    encoder.fit(there[["word"]], there["t"])
    found = {
        word: (group["t"].sum() + encoder.smooth * t.mean()) / (len(group) + encoder.smooth)
        for word, group in there.groupby("word")
    }
    # The encoder's mean is that of the rows with a category, ours that of all rows.
    means = encoder.transform(rows[["word"]].fillna("missing"))[:, 0]
    close = np.abs(means - [found.get(word, t.mean()) for word in rows["word"]]).max()
    assert close < 0.05
    return np.array([found.get(word, t.mean()) for word in rows["word"]], np.float32)


def matrix(frame, means):
    codes = frame["color"].map({"blue": 0, "green": 1, "red": 2})
    return np.column_stack([frame["x"], *means, codes])


def own_answers(estimator, frame, rows, task):
    """The answers of the library itself, fitted on means that pandas made."""
    targets = {"regression": [frame["y"]], "binary": [frame["y"] == "yes"]}
    targets["three"] = [frame["y"] == label for label in "abc"]
    wanted = [np.asarray(t, float) for t in targets[task]]
    parts = np.random.default_rng(SEED).permutation(len(frame)) % 5
    cross = np.empty((len(wanted), len(frame)), np.float32)
    for part in range(5):
        own = parts == part
        for place, t in enumerate(wanted):
            cross[place, own] = encoded(frame[~own], frame[own], t[~own])
    y = frame["y"] if task == "regression" else frame["y"].astype("category").cat.codes
    estimator.fit(matrix(frame, cross), y)
    asked = matrix(rows, [encoded(frame, rows, t) for t in wanted])
    return estimator.predict(asked) if task == "regression" else estimator.predict_proba(asked)


@pytest.mark.parametrize(
    ("algorithm", "task", "estimator", "options"),
    [
        ("decision_tree", "three", sklearn.tree.DecisionTreeClassifier(random_state=SEED), {}),
        ("decision_tree", "regression", sklearn.tree.DecisionTreeRegressor(random_state=SEED), {}),
        (
            "xgboost",
            "regression",
            xgboost.XGBRegressor(n_estimators=5, random_state=SEED, feature_types=["q", "q", "c"]),
            {"enable_categorical": True},
        ),
        (
            "lightgbm",
            "binary",
            lightgbm.LGBMClassifier(n_estimators=5, random_state=SEED, verbose=-1),
            {"categorical_column": [2]},
        ),
    ],
)
def test_means_are_those_that_pandas_and_the_library_give(
    tmp_path, algorithm, task, estimator, options
):
    frame, rows = table(task), table(task, 100, seed=5)
    chosen = settings(algorithm, "target", validation_fraction=0)
    model, _ = trained(tmp_path, frame, chosen)
    expected = own_answers(estimator.set_params(**options), frame, rows, task)
    assert np.allclose(answers(model, rows), expected, 1e-5, 1e-5)


def test_requests_of_every_format_have_the_words(tmp_path):
    frame = table("binary")
    model, _ = trained(tmp_path, frame, settings("random_forest", "target"))
    asked = pd.DataFrame({"x": 0.25, "word": ["k3", "k17", None, "nobody"], "color": "blue"})
    expected = model.predict_proba(asked)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(asked, preserve_index=False), buffer)
    tensors = [
        {"name": "x", "datatype": "FP64", "shape": [4, 1], "data": asked["x"].tolist()},
        {
            "name": "word",
            "datatype": "BYTES",
            "shape": [4, 1],
            "data": ["k3", "k17", "", "nobody"],
        },
        {"name": "color", "datatype": "BYTES", "shape": [4, 1], "data": ["blue"] * 4},
    ]
    outputs = "predict_proba,contributions"
    bodies = {
        "text/csv": asked.to_csv(index=False, header=False).encode(),
        "application/json": json.dumps(
            {"instances": json.loads(asked.to_json(orient="records"))}
        ).encode(),
        "application/x-parquet": buffer.getvalue(),
    }
    with serving(tmp_path / "model") as server:
        for content_type, body in bodies.items():
            headers = {"Content-Type": content_type, "Accept": "application/json"}
            url = f"{server.url}/invocations"
            found = httpx.post(url, content=body, headers=headers, timeout=60)
            assert found.status_code == 200, found.text
        metadata = httpx.get(f"{server.url}/v2/models/forest").json()
        assert [one["datatype"] for one in metadata["inputs"]] == ["FP64", "BYTES", "BYTES"]
        wanted = [{"name": name} for name in outputs.split(",")]
        document = {"inputs": tensors, "outputs": wanted}
        answer = httpx.post(f"{server.url}/v2/models/forest/infer", json=document, timeout=60)
        found = {one["name"]: one for one in answer.json()["outputs"]}
        assert np.allclose(np.reshape(found["predict_proba"]["data"], (4, 2)), expected)
        assert found["contributions"]["shape"] == [4, 3, 2]


def test_hash_and_target_are_what_the_message_names(tmp_path):
    with pytest.raises(InvalidData) as refused:
        trained(tmp_path, table("binary"), settings("decision_tree", "error"))
    assert f"column 'word' has more than {LIMIT} categories" in str(refused.value)
    assert "set many_categories=hash or many_categories=target" in str(refused.value)


def test_means_and_dates_are_not_learned_on_several_hosts(tmp_path):
    chosen = settings("random_forest", "target", dates="expand")
    hosts = {"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]}
    channels = {"train": {"a.csv": table("binary").to_csv(index=False)}}
    config = read_config(lay_out(tmp_path, channels, chosen, resourceconfig=hosts))
    with pytest.raises(InvalidHyperparameters) as refused:
        run(config, print, Stop())
    for step in ("set many_categories=hash, or InstanceCount to 1", "derive numbers from them"):
        assert step in str(refused.value)
