"""A run that was killed goes on where it stopped, and never gives old answers as new ones."""

import dataclasses
import os
import shutil

import numpy as np
import pandas as pd
import pytest

from forked_command import fork
from mlserver_forest.errors import InvalidData
from mlserver_forest.scoring.scoring_options import ScoringOptions
from scoring.killed_run import run_until
from scoring.scored import predict, run_of, table_of
from support import IRIS_NAMES

N_ROWS = 36_000
# Parts of about a megabyte of CSV, and of 12,000 rows of Parquet.
SMALL = ScoringOptions(keep=("id",), skips_bad_rows=True, part_chunks=1, span_rows=12_000)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A folder with the same rows as CSV and as Parquet; two of them are bad."""
    folder = tmp_path_factory.mktemp("rows")
    values = np.random.default_rng(0).normal(3, 2, (N_ROWS, 4))
    frame = pd.DataFrame(values, columns=IRIS_NAMES)
    frame.insert(0, "id", np.arange(N_ROWS))
    frame.loc[[5, 30_000], "petal_width"] = np.inf
    frame.to_csv(folder / "rows.csv", index=False)
    frame.to_parquet(folder / "rows.parquet", row_group_size=6_000)
    return folder


@pytest.mark.parametrize(
    ("name", "out"), [("rows.csv", "scored.jsonl"), ("rows.parquet", "folder")]
)
@pytest.mark.parametrize("count", [2, 3, 6])
def test_a_killed_run_goes_on_at_the_next_part(name, out, count, rows, model_dir, tmp_path):
    whole = tmp_path / "whole" / out
    whole.parent.mkdir()
    first = run_of(model_dir, [rows / name], whole, SMALL).in_threads(2)
    assert (first.n_rows, len(first.bad_rows)) == (N_ROWS - 2, 2)
    target = tmp_path / "killed" / out
    target.parent.mkdir()
    process = fork(run_until, count, model_dir, [rows / name], target, SMALL)
    process.join()
    assert process.exitcode == -9
    assert not target.is_file()
    before = {path: path.stat().st_mtime_ns for path in files_in(target)}
    second = run_of(model_dir, [rows / name], target, SMALL).in_threads(2)
    # The run's description, and for each part its file and what is noted of it.
    n_done = max(count - 1, 0) // 2
    assert second.n_earlier_parts == n_done
    assert (second.n_rows, second.bad_rows) == (first.n_rows, first.bad_rows)
    for path, time in sorted(before.items())[:n_done]:
        assert path.stat().st_mtime_ns == time  # It was not written again.
    found = {path.relative_to(target): path.read_bytes() for path in files_in(target)}
    assert found == {path.relative_to(whole): path.read_bytes() for path in files_in(whole)}
    ids = [row["id"] for path in sorted(files_in(target)) for row in table_of(path)]
    assert list(map(int, ids)) == [row for row in range(N_ROWS) if row not in {5, 30_000}]


def files_in(target):
    if target.is_file():
        return [target]
    return [path for path in target.rglob("*") if path.is_file() and "_predict" not in path.parts]


def test_a_finished_folder_is_left_as_it_is_unless_something_changed(rows, model_dir, tmp_path):
    source, out = tmp_path / "rows.parquet", tmp_path / "out"
    shutil.copy(rows / "rows.parquet", source)
    run_of(model_dir, [source], out, SMALL).in_threads(2)
    (first, *others) = sorted(files_in(out))
    times = [path.stat().st_mtime_ns for path in others]
    first.unlink()
    again = run_of(model_dir, [source], out, SMALL).in_threads(2)
    assert again.n_earlier_parts == len(others)
    assert first.exists()
    assert [path.stat().st_mtime_ns for path in others] == times
    with pytest.raises(InvalidData, match="differs in the options; give --overwrite to start"):
        run_of(model_dir, [source], out, dataclasses.replace(SMALL, keep=())).in_threads(2)
    os.utime(source, ns=(0, 0))
    other = tmp_path / "other"
    shutil.copytree(model_dir, other)
    settings = other / "model-settings.json"
    settings.write_text(settings.read_text() + "\n")
    run = run_of(other, [source], out, SMALL)
    with pytest.raises(InvalidData, match="differs in the model and the input files; give"):
        run.in_threads(2)
    assert run.in_threads(2, overwrites=True).n_earlier_parts == 0
    assert all(path.stat().st_mtime_ns not in times for path in files_in(out))


def test_the_command_says_that_it_went_on(rows, model_dir, tmp_path):
    out = tmp_path / "out"
    words = (model_dir, rows / "rows.parquet", "--out", out, "--extra", "ignore")
    said = predict(*words, code=1)
    assert "row 6, column 4 (petal_width)" in said
    skipping = (*words, "--bad-rows", "skip")
    assert "2 rows could not be read and were left out: " in predict(*skipping)
    assert "; 1 parts were there from an earlier run" in predict(*skipping)
