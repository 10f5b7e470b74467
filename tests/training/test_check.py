"""``train --check`` says how each column is taken, and trains nothing."""

import json

import pytest

from forked_command import run_forked
from mlserver_forest.artifact.model_directory import read_settings
from support import clean_environ, lay_out
from training.train_command import train, trained

ROWS = [
    f"{row},{'ny'[row % 2]},{'-' if row == 7 else row * 0.5},{row}%,{('red', 'blue')[row % 2]}\n"
    for row in range(60)
]
HEADER = "id,label,x,rate,color\n"
CHOSEN = {"ignore": "id", "target": "label"}


def forest_check(base):
    environ = clean_environ()
    return run_forked("forest", "train", "--check", "--base-dir", base, environ=environ)


@pytest.mark.parametrize("check", [lambda base: train(base, "--check"), forest_check])
def test_each_column_is_described_with_samples_and_counts(tmp_path, check):
    lay_out(tmp_path, {"train": {"a.csv": HEADER + "".join(ROWS)}}, CHOSEN)
    done = check(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:7] == [
        "60 rows from 1 file, a header",
        "target, column 'label': a classification of 2 classes: 'n' (30), 'y' (30)",
        "column 'x': numbers, 59 values, 1 missing, such as 0, 0.5, 1",
        (
            "column 'rate': numbers with percent signs (13.4% is 13.4), 60 values, 0 missing, "
            "such as 0, 1, 2"
        ),
        (
            "column 'color': categories, 60 values, 0 missing, 2 different, such as 'red' (30), "
            "'blue' (30)"
        ),
        "not features: 'id'",
        (
            f"column 'x' is read as numbers, where '-' at {tmp_path}/input/data/train/a.csv, "
            "line 9 is missing; set categories=x if its values are categories"
        ),
    ]
    assert lines[-1] == "the data can be trained on; --check trains nothing and writes nothing"
    assert [path.name for path in tmp_path.iterdir()] == ["input"]


NOTES = [
    "the channels 'code' are not read; the known ones are training, train, validation, test",
    (
        "validation/b.csv: the fields are separated by ';', as all its lines agree; set delimiter "
        "to say otherwise"
    ),
    "left out 1 row of channel 'validation' without a target (missing_target=drop)",
    (
        "column 'x' is read as numbers, where '-' at train/a.csv, line 9 is missing; set "
        "categories=x if its values are categories"
    ),
    "warning: Labels: the labels 'Y' and 'y' differ in case alone and are different classes",
]


def test_the_log_the_check_the_report_and_the_card_have_the_same_notes(tmp_path):
    rows = [row.replace("%", "").replace("7,y", "7,Y") for row in ROWS]
    other = (HEADER + "".join(rows[8:]) + "9,,9,9,red\n").replace(",", ";")
    channels = {"train": {"a.csv": HEADER + "".join(rows)}, "validation": {"b.csv": other}}
    chosen = CHOSEN | {"algorithm": "decision_tree", "missing_target": "drop"}
    described = {name: {"ContentType": "text/csv"} for name in (*channels, "code")}
    lay_out(tmp_path, channels, chosen, inputdataconfig=described)

    def notes(lines):
        lines = [line.replace(f"{tmp_path}/input/data/", "") for line in lines]
        return sorted(line for line in lines if line in NOTES)

    assert notes(trained(tmp_path)[2].splitlines()) == sorted(NOTES)
    assert notes(train(tmp_path, "--check").stdout.splitlines()) == sorted(NOTES)
    settings = read_settings(tmp_path / "model", trust_code=False)
    assert notes(settings["parameters"]["extra"]["card"]["notes"]) == sorted(NOTES)
    found = json.loads((tmp_path / "output" / "data" / "metrics.json").read_text())
    texts = [note["text"].replace(f"{tmp_path}/input/data/", "") for note in found["notes"]]
    assert sorted(texts) == sorted(line.removeprefix("warning: Labels: ") for line in NOTES)
    assert [(note["channel"], note["column"], note["setting"]) for note in found["notes"]] == [
        ("", "", ""),
        ("train", "x", "categories"),
        ("train", "label", "task"),
        ("validation", "", "delimiter"),
        ("validation", "", "missing_target"),
    ]
    assert found["warnings"][0]["title"] == "Labels"
    page = (tmp_path / "output" / "data" / "report.html").read_text()
    assert "Notes on the data" in page


def test_a_refused_table_has_its_notes_on_the_log(tmp_path):
    rows = ["a;1,5", "b;inf", "a;2,5"] * 4
    lay_out(tmp_path, {"train": {"a.csv": "\n".join(["label;x", *rows])}})
    done = train(tmp_path)
    assert "a.csv: the fields are separated by ';', as all its lines agree; set" in done.stdout
    assert "line 3, column 2 (x): inf is not a finite 32-bit number; leave" in done.stderr


def test_weights_and_infinite_numbers_are_told_with_the_others(tmp_path):
    rows = [row.replace("red", "2024-01-01").replace("blue", "2024-01-02") for row in ROWS]
    rows[4], rows[5] = "4,n,1e999,4%,2024-01-01\n", "5,,5,-5,2024-01-01\n"
    content = HEADER + "".join(rows).replace("%", "")
    strict = {"weight": "rate", "dates": "error", "missing_target": "error"}
    lay_out(tmp_path, {"train": {"a.csv": content}}, CHOSEN | strict)
    done = train(tmp_path, "--check")
    reason = done.stderr.replace(f"{tmp_path}/input/data/train/", "")
    assert reason.startswith("train: 4 columns need a decision: (1) a.csv, line 7: the label")
    assert "; (2) column 'x': '1e999' at a.csv, line 6 is not a finite 32-bit number; " in reason
    assert "; (3) column 'color' holds dates or times, such as '2024-01-01' at a.csv, " in reason
    assert "; (4) a.csv, line 7, column 4: the weight -5.0 is not a number from 0 on; " in reason


@pytest.mark.parametrize("arguments", [["--check"], []])
def test_a_missing_label_and_odd_columns_are_told_together(tmp_path, arguments):
    rows = [row.replace("red", "2024-01-01").replace("blue", "2024-01-02") for row in ROWS]
    rows[3] = "3,,u,3%,2024-01-01\n"
    strict = {**CHOSEN, "dates": "error", "missing_target": "error"}
    lay_out(tmp_path, {"train": {"a.csv": HEADER + "".join(rows)}}, strict)
    done = train(tmp_path, *arguments)
    assert done.returncode == 1
    reason = done.stderr.replace(f"{tmp_path}/input/data/train/", "").replace("ClientError: ", "")
    assert reason.strip() == (
        "train: 3 columns need a decision: (1) a.csv, line 5: the label (column 'label') is "
        "missing, as in 1 of 60 rows; fill it, or set missing_target=drop to leave out such rows; "
        "(2) column 'x': 58 of 59 values are numbers, but there is 'u' at a.csv, line 5; correct "
        "the cell, set missing_values=u if it means a missing value, or set categories=x if all "
        "values are categories; (3) column 'color' "
        "holds dates or times, such as '2024-01-01' at a.csv, line 2; set dates=expand, derive "
        "numbers from them (a year, a weekday, days since a day), or add the column to ignore"
    )


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"max_depth": "deep"}, "train: 1 invalid hyperparameter: max_depth"),
        ({"target": "labels"}, "train: target is 'labels', which is not a column of "),
        ({"prediction_interval": 0.99}, "prediction_interval=0.99 needs 99 rows that the model"),
        ({"validation_fraction": 0, "prediction_interval": 0.5}, "validation_fraction is 0"),
    ],
)
def test_what_would_end_the_job_ends_the_check_with_1(tmp_path, chosen, message):
    lay_out(tmp_path, {"train": {"a.csv": HEADER + "".join(ROWS)}}, CHOSEN | chosen)
    done = forest_check(tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert "can be trained on" not in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["input"]


def test_nothing_is_there_to_check(tmp_path):
    done = forest_check(tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith("one of 'training' or 'train'; channels given: none\n")
