"""Labels alone decide the task, alike in all formats; test_targets.py tests their encoding."""

import io

import numpy as np
import pandas as pd
import pytest

from mlserver_forest.errors import InvalidData
from mlserver_forest.training.algorithms.algorithm_hyperparameters import ImpliedTask
from mlserver_forest.training.algorithms.hyperparameters import parse
from mlserver_forest.training.data.targets import learn_target
from support import lay_out
from training.channel_files import read
from training.train_command import failed, trained

RNG = np.random.default_rng(2)
BINARY = RNG.integers(0, 2, 60)
PRICES = RNG.choice([1200, 1350, 1500, 1800], 60)


CONSTANT = (
    "all 20 labels are 3.5: the model can only answer that; check that the target (column 1) is "
    "the column to predict"
)


def csv(labels, x=None):
    x = RNG.normal(size=len(labels)).round(3) if x is None else x
    return "".join(f'"{label}",{value}\n' for label, value in zip(labels, x, strict=True))


def learned(base, labels, implied=None):
    return learn_target(read(base, {"a.csv": csv(labels)}), None, implied)


def parquet(labels):
    file = io.BytesIO()
    pd.DataFrame({"label": np.asarray(labels, float), "x": np.arange(len(labels)) / 7}).to_parquet(
        file
    )
    return file.getvalue()


def npy(labels):
    file = io.BytesIO()
    np.save(file, np.column_stack([labels, np.arange(len(labels)) / 7]))
    return file.getvalue()


FILES = {
    "a.csv": lambda labels: "".join(f"{float(label)},{i / 7}\n" for i, label in enumerate(labels)),
    "a.parquet": parquet,
    "a.npy": npy,
    "a.libsvm": lambda labels: "".join(f"{a} 1:{i / 7}\n" for i, a in enumerate(labels)),
    "a.jsonl": lambda labels: "".join(
        f'{{"label": {float(a)}, "x": {i / 7}}}\n' for i, a in enumerate(labels)
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_the_same_labels_are_the_same_task_in_every_format(tmp_path, name):
    table = read(tmp_path / "a", {name: FILES[name](BINARY)})
    assert learn_target(table, None).classes == (0, 1)
    target = learn_target(read(tmp_path / "b", {name: FILES[name](PRICES)}), None)
    assert (target.kind, target.classes) == ("regression", ())
    assert target.hint.startswith("; if its whole numbers, such as '1800")
    assert target.hint.endswith("', are classes, set task=classification")


@pytest.mark.parametrize(
    ("labels", "classes", "hint"),
    [
        (BINARY, (0, 1), ""),
        ([-1, 1] * 9, (-1, 1), ""),
        (
            RNG.integers(0, 13, 200),
            tuple(range(13)),
            "; if the label is a quantity, set task=regression",
        ),
        (PRICES, (1200, 1350, 1500, 1800), "; if the label is a quantity, set task=regression"),
        (["1", "1.0", "0"] * 5, (0, 1), ""),
        ([0.5, 1.0] * 9, (), ""),
    ],
)
def test_integers_are_classes_and_doubt_is_told(tmp_path, labels, classes, hint):
    target = learned(tmp_path, labels)
    assert (target.classes, target.hint) == (classes, hint)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (range(60), r"counts 0, 1, 2, \.\.\. over the 60 rows, .* set target to the column to pre"),
        (range(1, 61), r"counts 1, 2, 3, .* and ignore=0, or task=regression if"),
        (RNG.permutation(60) * 7, r"has 60 different values in 60 rows, .*; set task=regression"),
        ([f"n{i}" for i in range(60)], "too many for classes; set target to another column if"),
        (RNG.integers(0, 5000, 9000), r"in 9000 rows, too many for classes; set task=regression"),
        ([f"{i / 3 + 1000:,.2f}" for i in range(60)], "line 1: label '1,000.00' of the target"),
        ([f"{i}%" for i in range(60)], "line 1: label '0%' of the target .* looks like a number"),
        ([f"${i}.5" for i in range(60)], r"label '\$0.5' .* or set task=classification to take"),
        ([*(i / 7 for i in range(59)), "unknown"], "line 60: label 'unknown' is not a number, as"),
    ],
)
def test_what_is_hardly_a_class_is_refused_with_the_setting_that_decides(tmp_path, labels, message):
    with pytest.raises(InvalidData, match=message):
        learned(tmp_path / "a", labels)
    table = read(tmp_path / "b", {"a.csv": csv(labels)})
    if table.labels.numbers is None or (table.labels.numbers % 1 == 0).all():
        assert len(learn_target(table, "classification").classes) == len(table.labels.distinct)


@pytest.mark.parametrize(
    ("labels", "doubt"),
    [
        (
            ["yes", " yes", "Yes", "YES"] * 9,
            "the labels 'YES', 'Yes' and 'yes' differ in case alone and are different classes",
        ),
        (["1", "1.0", "0"] * 9, "the labels '1' and '1.0' are the same number and the same class"),
        (
            [3.5] * 20,
            CONSTANT,
        ),
    ],
)
def test_labels_that_look_like_a_mistake_are_told(tmp_path, labels, doubt):
    assert learned(tmp_path, labels).doubts == (doubt,)


def test_a_last_row_without_values_is_told(tmp_path):
    text = "label,x,z\n" + "yes,1,2\nno,3,4\n" * 30 + "Total,,\n"
    table = read(tmp_path, {"a.csv": text})
    (doubt,) = learn_target(table, None).doubts
    assert doubt.replace(f"{tmp_path}/train/", "") == (
        "the last row, a.csv, line 62, has the label 'Total' and no other value; remove it if it "
        "is a total or a note"
    )


def test_dates_as_the_target_are_refused(tmp_path):
    text = "".join(f"2024-01-{row % 28 + 1:02d},{row}\n" for row in range(60))
    table = read(tmp_path, {"a.csv": "day,x\n" + text})
    with pytest.raises(InvalidData) as caught:
        learn_target(table, None)
    assert str(caught.value).replace(f"{tmp_path}/train/", "") == (
        "the target (column 'day') holds dates or times, such as '2024-01-01' at a.csv, line 2; "
        "set target to the column to predict, derive a number from the dates, or set "
        "task=classification to take them as classes"
    )
    assert len(learn_target(table, "classification").classes) == 28


@pytest.mark.parametrize("spell", ["R$ {}.5", "CHF {}.5", "1'{:03d}.5", '"1.{:03d},5"', "{}.5-"])
def test_a_target_that_is_spelled_unusually_is_named(tmp_path, spell):
    text = "".join(f"{spell.format(row)},{row}\n" for row in range(60))
    with pytest.raises(InvalidData, match=r"line 2: label .* looks like a number, but is not"):
        learn_target(read(tmp_path, {"a.csv": "price,x\n" + text}), None)


def test_an_index_is_refused_whatever_the_objective_and_told_if_the_task_is_given(tmp_path):
    own = parse({"algorithm": "xgboost", "objective": "reg:squarederror"}).own
    with pytest.raises(InvalidData, match="counts 0, 1, 2"):
        learned(tmp_path / "a", range(60), own.implied_task)
    target = learn_target(read(tmp_path / "b", {"a.csv": csv(range(60))}), "regression")
    (doubt,) = target.doubts
    assert doubt.startswith("the target (column 1) counts 0, 1, 2, ... over the 60 rows, from ")


def test_many_classes_are_refused_whatever_the_objective(tmp_path):
    own = parse({"algorithm": "xgboost", "objective": "multi:softmax"}).own
    with pytest.raises(InvalidData, match="different values in 9000 rows, too many for classes"):
        learned(tmp_path, RNG.integers(0, 5000, 9000), own.implied_task)


def test_text_among_numbers_is_told(tmp_path):
    target = learned(tmp_path, [*(["0", "1"] * 20), "unknown"])
    assert target.classes == ("0", "1", "unknown")
    (doubt,) = target.doubts
    assert "label 'unknown' at " in doubt
    assert "a.csv, line 41 (1 of 41 rows) is not a number, as the other labels are" in doubt
    assert learned(tmp_path / "b", ["2", "B", "C"] * 9).doubts == ()


@pytest.mark.parametrize(
    ("labels", "setting", "kind"),
    [
        ([0.0, 1.0] * 9, {"objective": "binary:logistic"}, "classification"),
        (RNG.permutation(60), {"objective": "reg:squarederror"}, "regression"),
        ([5, 7, 9] * 9, {"num_class": "3"}, "classification"),
        ([1200.0, 1300.0, 1400.0] * 9, {"objective": "multi:softmax"}, "classification"),
        (BINARY, {"eval_metric": "rmse"}, "classification"),
    ],
)
def test_a_setting_for_one_task_decides(tmp_path, labels, setting, kind):
    own = parse({"algorithm": "xgboost", **setting}).own
    target = learned(tmp_path, labels, own.implied_task)
    assert target.kind == kind
    if own.implied_task:
        assert target.hint == f", as {own.implied_task.setting} is for one"


def test_a_setting_that_the_labels_contradict_is_named(tmp_path):
    def job(name, labels, **setting):
        hyperparameters = {"algorithm": "xgboost", **setting}
        return lay_out(tmp_path / name, {"train": {"a.csv": csv(labels)}}, hyperparameters)

    reason = failed(job("a", ["a", "b"] * 9, objective="reg:squarederror"))
    assert reason.endswith(
        "a.csv, line 1: label 'a' is not a number, but objective=reg:squarederror is for a "
        "regression; remove objective, or set target to a column of numbers"
    )
    reason = failed(job("b", BINARY, objective="binary:logistic", task="regression"))
    assert reason.startswith(
        "1 invalid hyperparameter: objective is 'binary:logistic'; a regression"
    )
    assert reason.endswith("; or set task=classification")
    assert failed(job("c", BINARY, num_class="3")) == (
        "1 invalid hyperparameter: num_class is 3, but this is a classification of two classes; "
        "remove it, the classes are counted"
    )
    reason = failed(job("d", [0.5, 1.5] * 9, num_class="3"))
    assert reason.endswith(
        "a.csv, line 1: label '0.5' is neither a whole number nor text, and num_class=3 is for a "
        "classification; remove num_class, or write classes as integers or text"
    )


def test_many_classes_of_an_objective_are_refused_with_the_objective(tmp_path):
    table = read(tmp_path, {"a.csv": csv(RNG.permutation(60) * 7)})
    implied = ImpliedTask("classification", "objective", "objective=multi:softprob")
    with pytest.raises(InvalidData, match="; remove objective=multi:softprob and set task=regres"):
        learn_target(table, None, implied)


def test_the_log_tells_the_decision_and_the_doubts(tmp_path):
    base = lay_out(tmp_path, {"train": {"a.csv": csv(["No", "no", "yes"] * 20)}})
    log = trained(base)[2]
    assert ": a classification with 3 classes\n" in log
    assert (
        "warning: Labels: the labels 'No' and 'no' differ in case alone and are different classes"
        in log
    )
