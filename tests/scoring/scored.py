"""Helpers of the tests of ``forest predict``."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from click.testing import CliRunner

from mlserver_forest.cli import forest
from mlserver_forest.scoring.input_files import find_files
from mlserver_forest.scoring.run import ScoringRun
from mlserver_forest.scoring.scoring_target import target_of


def predict(*words, code=0):
    """Run ``forest predict`` and return what it says."""
    done = CliRunner().invoke(forest, ["predict", *map(str, words)])
    assert done.exit_code == code, done.output + str(done.exception)
    return done.output.strip()


def table_of(path):
    """A file of answers as rows: a list of dicts of Python's values."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".arrow":
        return pa.ipc.open_stream(path.read_bytes()).read_all().to_pylist()
    if path.suffix == ".csv":
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        return frame.to_dict("records")
    return [json.loads(line) for line in path.read_text().splitlines()]


def run_of(model, files, out, options):
    """A run of ``forest predict``, with options that the command does not have."""
    found = find_files(list(map(str, files)))
    target = target_of(str(out), None, found[0].format)
    return ScoringRun(model, found, options, target)
