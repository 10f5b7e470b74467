"""``train --check`` says how each column is taken, and trains nothing."""

import pytest

from support import lay_out
from training.train_command import train

ROWS = [
    f"{row},{'ny'[row % 2]},{'-' if row == 7 else row * 0.5},{row}%,{('red', 'blue')[row % 2]}\n"
    for row in range(60)
]
HEADER = "id,label,x,rate,color\n"
CHOSEN = {"ignore": "id", "target": "label"}


def test_each_column_is_described_with_samples_and_counts(tmp_path):
    lay_out(tmp_path, {"train": {"a.csv": HEADER + "".join(ROWS)}}, CHOSEN)
    done = train(tmp_path, "--check")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:7] == [
        "60 rows from 1 file(s), a header",
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
        "holds dates or times, such as '2024-01-01' at a.csv, line 2; derive numbers from them (a "
        "year, a weekday, days since a day), or add the column to ignore"
    )
