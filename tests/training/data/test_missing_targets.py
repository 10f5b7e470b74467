"""Rows without a target, and labels that are spelled like a missing value."""

import io

import numpy as np
import pandas as pd
import pytest

from mlserver_forest.errors import InvalidData
from mlserver_forest.training.data.targets import learn_target
from support import lay_out
from training.channel_files import read, warnings_of
from training.train_command import failed, trained

DROP = {"missing_target": "drop"}
KEEP = {"keep_na_labels": True}
FRAME = pd.DataFrame(
    {
        "label": [1.5, None, 2.5, None, 3.5],
        "x": [1.0, 2.0, 3.0, 4.0, 5.0],
        "color": ["red", "pink", "blue", "red", None],
    }
)


def parquet(frame):
    file = io.BytesIO()
    frame.to_parquet(file)
    return file.getvalue()


FILES = {
    "a.csv": FRAME.to_csv(index=False),
    "a.parquet": parquet(FRAME),
    "a.jsonl": FRAME.to_json(orient="records", lines=True),
}


@pytest.mark.parametrize("name", FILES)
def test_rows_without_a_target_are_dropped_and_counted(tmp_path, name):
    table = read(tmp_path, {name: FILES[name]}, **DROP)
    assert table.labels.numbers.tolist() == [1.5, 2.5, 3.5]
    assert table.x[:, 0].tolist() == [1, 3, 5]
    assert table.categories["color"].names == ("blue", "red")
    assert table.x[:2, 1].tolist() == [1, 0]
    assert np.isnan(table.x[2, 1])
    assert table.summary.n_without_target == 2


@pytest.mark.parametrize("mode", ["error", "auto"])
@pytest.mark.parametrize("name", FILES)
def test_the_error_says_how_many_rows_and_the_setting(tmp_path, name, mode):
    message = r"the label \(column 'label'\) is missing, as in 2 of 5 rows; fill it, or set missing"
    with pytest.raises(InvalidData, match=message):
        read(tmp_path, {name: FILES[name]}, missing_target=mode)


def test_the_places_of_rows_that_are_kept_stay_right(tmp_path):
    table = read(tmp_path, {"a.csv": FILES["a.csv"]}, **DROP)
    assert [table.place(row).rpartition(" ")[2] for row in range(3)] == ["2", "4", "6"]


def test_arrays_of_numbers_can_lack_a_target(tmp_path):
    file = io.BytesIO()
    np.save(file, np.array([[1, 5.0], [np.nan, 6], [0, 7]]))
    table = read(tmp_path, {"a.npy": file.getvalue()}, **DROP)
    assert table.labels.distinct == ("0", "1")
    assert table.x.tolist() == [[5], [7]]


def test_a_target_that_is_missing_everywhere_is_refused(tmp_path):
    message = (
        r"all 2 rows are without a target \(column 1\), from .*a\.csv, line 1 on; set target to"
    )
    with pytest.raises(InvalidData, match=message):
        read(tmp_path, {"a.csv": "NA,1\n,2\n"}, **DROP)


def test_labels_spelled_like_a_missing_value_can_be_kept(tmp_path):
    content = "label,x\n" + "NA,1\nEU,2\nNone,3\nNaN,4\n" * 5
    table = read(tmp_path, {"a.csv": content}, **KEEP)
    assert learn_target(table, None).classes == ("EU", "NA", "NaN", "None")
    with pytest.raises(InvalidData, match=r"line 3: the label .* is missing, as in 1 of 2 rows"):
        read(tmp_path / "b", {"a.csv": "label,x\nNA,1\n,2\n"}, **KEEP)


def test_numbers_beside_na_that_is_kept_are_text(tmp_path):
    table = read(tmp_path, {"a.csv": "1,2\n0,3\nNA,4\n"}, **KEEP)
    assert learn_target(table, None).classes == ("0", "1", "NA")


def test_the_job_says_how_many_rows_it_left_out(tmp_path):
    rows = "".join(f"{'ab'[i % 2]},{i % 7}\n" for i in range(60))
    channels = {"train": {"a.csv": rows + ",1\nNA,2\n"}, "validation": {"b.csv": rows + ",1\n"}}
    hyperparameters = {"algorithm": "decision_tree", "missing_target": "drop"}
    log = trained(lay_out(tmp_path / "a", channels, hyperparameters))[2]
    assert "read 60 rows with 1 feature" in log
    assert "left out 2 rows of channel 'train' without a target (missing_target=drop)\n" in log
    assert "left out 1 row of channel 'validation' without a target (missing_target=drop)\n" in log
    reason = failed(lay_out(tmp_path / "b", channels, {"algorithm": "decision_tree"}))
    assert reason.endswith(
        "a.csv, line 61: the label (column 1) is missing, as in 2 of 62 rows; fill it, or set "
        "missing_target=drop to leave out such rows, or na_labels=keep if 'NA' is a class"
    )


@pytest.mark.parametrize("marker", ["", "NA", "NaN"])
def test_up_to_a_tenth_of_the_rows_is_left_out_by_default_and_warned_of(tmp_path, marker):
    labels = [marker if row in {3, 7} else f"{row / 4}" for row in range(20)]
    text = "label,x\n" + "".join(f"{label},{row}\n" for row, label in enumerate(labels))
    table = read(tmp_path, {"a.csv": text})
    assert len(table) == 18
    assert table.labels.numbers[3] == 1.0
    (warning,) = warnings_of(table, tmp_path)
    assert warning == (
        "2 of 20 rows are left out, from a.csv, line 5 on, because they have no target (column "
        "'label'); fill it, or set missing_target=drop to confirm it"
    )
    assert warnings_of(read(tmp_path, {"a.csv": text}, **DROP), tmp_path) == []
    more = text.replace("2.75,", ",")
    with pytest.raises(InvalidData, match=r"line 5: the label \(.*\) is missing, as in 3 of 20"):
        read(tmp_path, {"a.csv": more})


@pytest.mark.parametrize("label", ["NA", "None"])
def test_a_name_of_a_class_is_not_left_out_by_default(tmp_path, label):
    text = "label,x\n" + "EU,1\nAS,2\n" * 20 + f"{label},3\n"
    with pytest.raises(InvalidData) as caught:
        read(tmp_path, {"a.csv": text})
    assert str(caught.value).endswith(
        "is missing, as in 1 of 41 rows; fill it, or set missing_target=drop to leave out such "
        f"rows, or na_labels=keep if '{label}' is a class"
    )


def test_text_in_a_row_that_is_left_out_does_not_change_a_column(tmp_path):
    text = "label,x,z\n,kg,m\n" + "".join(f"{'ny'[row % 2]},{row}.5,{row}\n" for row in range(60))
    table = read(tmp_path, {"a.csv": text})
    assert (table.categories, table.spellings) == ({}, {})
    assert table.x[:2].tolist() == [[0.5, 0], [1.5, 1]]
    (warning,) = warnings_of(table, tmp_path)
    assert warning.startswith("1 of 61 rows are left out, from ")


def test_another_channel_may_lack_some_targets(tmp_path):
    training = read(tmp_path, {"a.csv": "EU,1\nAS,2\n" * 20})
    table = read(tmp_path, {"b.csv": "EU,1\n,2\n" + "AS,3\n" * 9}, like=training, name="test")
    assert (len(table), table.summary.n_without_target) == (10, 1)
    with pytest.raises(InvalidData, match="as in 1 of 2 rows"):
        read(tmp_path, {"b.csv": "EU,1\n,2\n"}, like=training, name="validation")
