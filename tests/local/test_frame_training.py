"""Training on data frames, which are read as files are."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mlserver_forest
from mlserver_forest.errors import InvalidData, InvalidHyperparameters, InvalidInput
from mlserver_forest.local.frame_training import _arrow_table

TREE = {"algorithm": "decision_tree", "random_state": 0, "validation_fraction": 0.2}


@pytest.fixture(scope="module")
def table():
    """Words, gaps, true and false, and numbers, with a number to predict."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "origin": rng.choice(["USA", "Japan", "Europe"], 200),
            "weight": rng.integers(1000, 5000, 200),
            "power": rng.normal(100, 20, 200).round(1),
            "is_new": rng.choice([True, False], 200),
        }
    )
    table["mpg"] = (50 - table.weight / 200 + (table.origin == "Japan") * 9).round(2)
    table.loc[::17, "power"] = np.nan
    table.loc[::29, "origin"] = None
    return table


def test_a_frame_and_a_file_give_the_same_model_and_report(tmp_path, table):
    lines = []
    own = mlserver_forest.train(
        table, target="mpg", out=tmp_path / "own", interval=0.8, say=lines.append, **TREE
    )
    table.to_csv(tmp_path / "cars.csv", index=False)
    other = mlserver_forest.train(
        tmp_path / "cars.csv", "mpg", say=None, report=False, validation=table.head(30), **TREE
    )
    rows = table.drop(columns="mpg")
    assert np.array_equal(own.predict(rows), other.predict(rows))
    assert own.schema.categories == other.schema.categories
    assert own.interval(rows).shape == (200, 2)
    assert (own.target, other.card.n_rows) == ("mpg", 200)
    assert (own.name, other.name) == ("forest", "cars")
    assert any("column 'mpg'" in line for line in lines)
    assert own.directory == tmp_path / "own" / "model"
    assert "mpg" in mlserver_forest.load(own.directory).report().html
    assert own.evaluate(table).metrics == own.card.metrics["train"]
    metrics = json.loads((tmp_path / "own" / "output" / "data" / "metrics.json").read_text())
    assert own.card.metrics == metrics["metrics"]
    assert metrics["data"]["files"] == ["the training table"]
    assert "frame.parquet" not in own.report().html
    kept = other.directory
    assert kept.exists()
    del other
    assert not kept.exists()


@pytest.mark.parametrize("make", [pa.Table.from_pandas, dict, lambda t: t.to_dict("records")])
def test_tables_of_every_kind_become_the_same_columns(table, make):
    found = _arrow_table(make(table.astype({"power": "Float64"})))
    assert found.column_names[:5] == list(table.columns)
    assert (
        found["origin"].to_pylist()[:30]
        == table["origin"].astype(object).where(table["origin"].notna(), None).tolist()[:30]
    )
    assert found["weight"].to_pylist() == table["weight"].tolist()


def test_a_frame_of_polars_is_trained_on_and_answered_as_its_rows_are(table):
    """Texts, categories, an enumeration, dates and gaps; columns in any order."""
    rng = np.random.default_rng(1)
    frame = pl.from_pandas(table.drop(columns="mpg")).with_columns(
        pl.col("origin").cast(pl.Categorical),
        pl.Series("fuel", rng.choice(["gas", "oil"], 200), pl.Enum(["oil", "gas"])),
        pl.date(2024, 1, 1) + pl.duration(days=pl.int_range(200)),
        pl.Series("town", rng.choice(["Ulm", "Bonn"], 200)),
    )
    known = frame.with_columns(pl.Series("mpg", table["mpg"]))
    model = mlserver_forest.train(known, "mpg", dates="expand", say=None, report=False, **TREE)
    assert model.feature_names == tuple(frame.columns)
    answers = model.predict(frame.to_dicts())
    assert len(set(answers)) > 10
    assert np.array_equal(model.predict(frame.select(sorted(frame.columns))), answers)
    assert np.array_equal(model.predict(known.to_arrow(), extra="ignore"), answers)
    assert model.evaluate(known).n_rows == 200
    with pytest.raises(InvalidInput, match=r"a LazyFrame; call its collect\(\) first"):
        model.predict(frame.lazy())
    with pytest.raises(InvalidInput, match="a Series; expected a table with named columns"):
        model.predict(frame["weight"])
    with pytest.raises(InvalidData, match=r"a LazyFrame; call its collect\(\) first"):
        mlserver_forest.train(known.lazy(), "mpg")


def test_values_of_several_kinds_are_texts_as_in_a_file():
    mixed = pd.DataFrame({"title": [300, "Up", None, 1.5, 300.0]})
    assert _arrow_table(mixed)["title"].to_pylist() == ["300", "Up", None, "1.5", "300"]


def test_what_cannot_be_trained_on_is_refused_with_what_to_do(table):
    with pytest.raises(InvalidData, match=r"^the training table, row 1: label 'a' is not a number"):
        mlserver_forest.train(table.assign(mpg="a"), "mpg", task="regression", say=None)
    with pytest.raises(InvalidData, match="is a ndarray; expected a data frame"):
        mlserver_forest.train(np.zeros((2, 2)), "mpg")
    with pytest.raises(InvalidData, match=r"the table cannot be read .*expected numbers, texts"):
        mlserver_forest.train(table.assign(mixed=[[1], "a"] * 100), "mpg")
    with pytest.raises(InvalidData, match="the names of columns are repeated: 'mpg'"):
        mlserver_forest.train(pd.concat([table, table["mpg"]], axis=1), "mpg")
    with pytest.raises(InvalidHyperparameters, match="'n_tres' is unknown"):
        mlserver_forest.train(table, "mpg", n_tres=3, say=None)
    with pytest.raises(InvalidData, match=r"target is 'mgp', .*did you mean 'mpg'"):
        mlserver_forest.train(table, "mgp", say=None)
    with pytest.raises(InvalidData, match="prediction_interval is given twice"):
        mlserver_forest.train(table, "mpg", interval=0.9, prediction_interval=0.8, say=None)
