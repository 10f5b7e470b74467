"""Jobs that learn from dates, and requests that send them."""

import io
import json
from datetime import UTC, datetime

import httpx
import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sklearn.ensemble
import sklearn.tree

from mlserver_forest import load
from mlserver_forest.errors import InvalidData, InvalidInput
from mlserver_forest.model.row_matrix import matrix_from
from mlserver_forest.training.config import read_config
from mlserver_forest.training.fitting.stopping import Stop
from mlserver_forest.training.job import run
from support import lay_out, serving

SEED = 7


def table(n_rows=400, seed=0):
    rng = np.random.default_rng(seed)
    first = datetime(2023, 5, 1, tzinfo=UTC).timestamp()
    seconds = first + rng.integers(0, 400 * 86400, n_rows)
    at = pd.to_datetime(seconds, unit="s")
    x = rng.normal(size=n_rows).round(3)
    y = (at.day_of_week * 2 + at.hour / 4 + at.month + x + rng.normal(size=n_rows)).to_numpy()
    due = at.normalize() + pd.to_timedelta(rng.integers(1, 30, n_rows), unit="D")
    at = pd.Series(at).where(rng.random(n_rows) > 0.05)
    return pd.DataFrame({"y": y.round(3), "pickup": at, "x": x, "due": due})


def written(frame):
    return frame.assign(due=frame["due"].dt.strftime("%d.%m.%Y"))


def trained(base, text, **chosen):
    settings = {"target": "y", "dates": "expand", "random_state": SEED, **chosen}
    chosen = {name: str(value) for name, value in settings.items()}
    lines = []
    run(read_config(lay_out(base, {"train": {"a.csv": text}}, chosen)), lines.append, Stop())
    return load(base / "model"), "\n".join(lines)


def parts(column, first):
    made = [column.dt.year, column.dt.month, column.dt.day, column.dt.day_of_week, column.dt.hour]
    return [*made, (column - first) / pd.Timedelta(days=1)]


def matrix(frame, learned):
    """The parts as pandas makes them; the hour of a plain day is the same in all rows."""
    pickup = parts(frame["pickup"], learned["pickup"].min())
    due = parts(frame["due"], learned["due"].min())
    del due[4]
    return np.column_stack([*pickup, frame["x"], *due]).astype(float)


@pytest.mark.parametrize(
    ("algorithm", "estimator", "chosen"),
    [
        ("decision_tree", sklearn.tree.DecisionTreeRegressor(random_state=SEED), {}),
        (
            "random_forest",
            sklearn.ensemble.RandomForestRegressor(5, random_state=SEED),
            {"n_estimators": 5, "intelex": False},
        ),
        (
            "lightgbm",
            lightgbm.LGBMRegressor(n_estimators=5, random_state=SEED, verbose=-1),
            {"n_estimators": 5},
        ),
    ],
)
def test_parts_are_those_that_pandas_and_the_library_give(tmp_path, algorithm, estimator, chosen):
    frame, rows = table(), table(60, seed=3)
    text = as_csv(frame)
    chosen = {**chosen, "algorithm": algorithm, "validation_fraction": 0}
    model, log = trained(tmp_path, text, **chosen)
    assert "column 'pickup' is read as dates" in log
    estimator.fit(matrix(frame, frame), frame["y"])
    expected = estimator.predict(matrix(rows, frame))
    asked = rows[["pickup", "x", "due"]]
    assert np.allclose(model.predict(asked), expected, 1e-5, 1e-5)
    assert np.array_equal(model.predict(asked), model.predict(written(asked)))
    explained = model.explain(asked)
    assert explained.contributions.shape == (60, 3)
    sums = explained.contributions.sum(axis=1) + explained.expected_value
    assert np.allclose(sums, model.predict(asked), 1e-4, 1e-4)


def test_requests_of_every_format_have_dates(tmp_path):
    frame = table()
    text = as_csv(frame)
    model, _ = trained(tmp_path, text, algorithm="random_forest", n_estimators=5)
    rows = table(4, seed=3)[["pickup", "x", "due"]]
    expected = model.predict(rows)
    buffer = io.BytesIO()
    typed = pa.table(
        {
            "pickup": pa.array(rows["pickup"], pa.timestamp("us", "UTC")),
            "x": rows["x"],
            "due": pa.array(rows["due"].dt.date, pa.date32()),
        }
    )
    pq.write_table(typed, buffer)
    spelled = written(rows)
    records = json.loads(
        spelled.assign(pickup=rows["pickup"].astype(str)).to_json(orient="records")
    )
    seconds = [(at - pd.Timestamp(0)).total_seconds() for at in rows["pickup"]]
    tensors = [
        {"name": "pickup", "datatype": "FP64", "shape": [4], "data": seconds},
        {"name": "x", "datatype": "FP64", "shape": [4], "data": rows["x"].tolist()},
        {"name": "due", "datatype": "BYTES", "shape": [4], "data": spelled["due"].tolist()},
    ]
    bodies = {
        "text/csv": spelled.to_csv(index=False, header=False).encode(),
        "application/json": json.dumps({"instances": records}).encode(),
        "application/x-parquet": buffer.getvalue(),
    }
    with serving(tmp_path / "model") as server:
        url = f"{server.url}/invocations"
        for content_type, body in bodies.items():
            headers = {"Content-Type": content_type, "Accept": "text/csv"}
            found = httpx.post(url, content=body, headers=headers, timeout=60)
            assert found.status_code == 200, (content_type, found.text)
            assert np.allclose([float(line) for line in found.text.split()], expected)
        metadata = httpx.get(f"{server.url}/v2/models/forest").json()
        assert [one["datatype"] for one in metadata["inputs"]] == ["BYTES", "FP64", "BYTES"]
        document = {
            "inputs": tensors,
            "outputs": [{"name": name} for name in ("predict", "out_of_range_features")],
        }
        answer = httpx.post(f"{server.url}/v2/models/forest/infer", json=document, timeout=60)
        assert np.allclose(answer.json()["outputs"][0]["data"], expected)
        refused = httpx.post(
            url,
            content='{"pickup": "soon", "x": 1, "due": "2024-01-01"}',
            headers={"Content-Type": "application/jsonlines"},
        )
        assert refused.status_code == 400
        assert "row 1, column 1 (pickup): 'soon' is not a date; expected one like" in refused.text


def test_dates_before_and_after_those_of_training_are_out_of_range(tmp_path):
    model, _ = trained(tmp_path, as_csv(table()), algorithm="decision_tree")
    rows = pd.DataFrame(
        {"pickup": ["2020-01-01", "2023-12-31", "2030-01-01"], "x": 0.0, "due": "2024-01-01"}
    )
    found = model.answer(matrix_from(rows, model.schema), ["out_of_range_features"])
    outside = np.asarray(found["out_of_range_features"])[:, 0]
    assert outside.astype(bool).tolist() == [True, False, True]


def dated(values):
    return "y,at,x\n" + "".join(f"{row % 3},{value},{row}\n" for row, value in enumerate(values))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["01/02/2024", "03/04/2024"] * 10, "whether the day or the month comes first"),
        (["2024-01-02"] * 19 + ["soon"], "19 of 20 values are dates, but there is 'soon' at"),
    ],
)
def test_dates_that_need_a_decision_are_named(tmp_path, values, reason):
    with pytest.raises(InvalidData, match=reason):
        trained(tmp_path, dated(values), algorithm="decision_tree")


def test_times_of_a_day_are_left_out_and_the_default_names_the_setting(tmp_path):
    text = dated([f"{hour:02d}:30" for hour in range(20)])
    model, log = trained(tmp_path / "times", text, algorithm="decision_tree")
    assert model.schema.feature_names == ("x",)
    assert "because they are not days" in log
    text = dated([f"2024-01-{day:02d}" for day in range(1, 21)])
    model, log = trained(tmp_path / "left", text, algorithm="decision_tree", dates="ignore")
    assert model.schema.feature_names == ("x",)
    assert "set dates=expand" in log
    model, _ = trained(tmp_path / "learned", text, algorithm="decision_tree")
    assert model.schema.feature_names == ("at", "x")
    with pytest.raises(InvalidInput, match="is not a date"):
        model.predict([["2024-02-31", 1.0]])


def as_csv(frame):
    return written(frame).to_csv(index=False)


def parquet(frame):
    buffer = io.BytesIO()
    columns = {"y": frame["y"], "pickup": pa.array(frame["pickup"], pa.timestamp("ns"))}
    columns |= {"x": frame["x"], "due": pa.array(frame["due"].dt.date, pa.date32())}
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def test_types_of_dates_and_text_are_learned_alike_with_all_that_a_job_can_do(tmp_path):
    frames = {"train": table(), "validation": table(200, seed=1), "test": table(100, seed=2)}
    chosen = {"target": "y", "dates": "expand", "prediction_interval": 0.9, "k_fold": 2}
    chosen |= {"n_estimators": 5, "random_state": SEED}
    chosen = {name: str(value) for name, value in chosen.items()}
    models = []
    for form, write in (("csv", as_csv), ("parquet", parquet)):
        files = {name: {f"a.{form}": write(frame)} for name, frame in frames.items()}
        kind = {"csv": "text/csv", "parquet": "application/x-parquet"}[form]
        run(read_config(lay_out(tmp_path / form, files, chosen, kind)), print, Stop())
        models.append(load(tmp_path / form / "model"))
    rows = table(30, seed=3)[["pickup", "x", "due"]]
    for output in ("predict", "intervals"):
        first, second = (getattr(model, output)(rows) for model in models)
        assert np.array_equal(first, second)
    report = json.loads((tmp_path / "csv/output/data/metrics.json").read_text())
    assert "pickup (weekday)" in report["importances"]["features"]["pickup"]["parts"]
    assert report["data"]["columns"]["due"]["kind"] == "date"
    assert "pickup (weekday)" in (tmp_path / "csv/output/data/report.html").read_text()
