"""``forest inspect``: what is in a model directory."""

import json

import pandas as pd

from forked_command import run_forked
from mlserver_forest.training.local_training import train_files
from support import clean_environ


def test_a_model_says_what_it_predicts_from_which_columns_and_how_well(tmp_path):
    frame = pd.DataFrame(
        {
            "when": pd.date_range("2024-01-01", periods=200).astype(str),
            "size": [None, *map(float, range(1, 200))],
            "color": ["red", "green"] * 100,
            "price": [i % 7 + 0.5 for i in range(200)],
        }
    )
    frame.to_csv(tmp_path / "sales.csv", index=False)
    model_dir = train_files(
        [tmp_path / "sales.csv"],
        target="price",
        interval=0.8,
        hyperparameters={"dates": "expand", "n_estimators": 5},
        out=tmp_path,
        say=lambda line: None,
    )
    environ = clean_environ()
    text = run_forked("forest", "inspect", model_dir, environ=environ).stdout
    lines = [line.split() for line in text.splitlines()]
    assert text.startswith("sales predicts price, a number, from 3 features\n")
    assert "Random forest on 200 rows" in text
    assert "holds 80% of new rows' targets" in text
    assert ["when", "date", "2024-01-01", "to", "2024-07-18", "0"] in [row[:6] for row in lines]
    assert ["size", "number", "1", "to", "199", "0.5"] in [row[:6] for row in lines]
    assert ["color", "category", "green,", "red", "0"] in [row[:5] for row in lines]
    assert any(row[:1] == ["rmse"] for row in lines)
    found = json.loads(run_forked("forest", "inspect", "--json", model_dir, environ=environ).stdout)
    assert found["target"] == "price"
    assert found["features"][1] == {
        "name": "size",
        "kind": "number",
        "range": [1.0, 199.0],
        "missing_share": 0.005,
    }
    assert found["features"][2]["categories"] == ["green", "red"]
    assert found["interval_level"] == 0.8
    assert found["card"]["n_rows"] == 200


def test_a_damaged_model_is_refused(tmp_path):
    done = run_forked("forest", "inspect", tmp_path, environ=clean_environ())
    assert done.returncode == 1
    assert "has no model-settings.json" in done.stderr
