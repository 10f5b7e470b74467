"""Pipelines of old and new versions of scikit-learn answer raw rows as those versions did."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pack.proof import hard_rows
from mlserver_forest.importers.pickles.pickle_reader import read_pickle
from mlserver_forest.importers.registry import IMPORTERS

FOLDER = Path(__file__).parents[3] / "compatibility/scikit-learn-pipelines"
RECORDS = next(one for one in IMPORTERS if one.module == "sklearn").records


def pipelines():
    for archive in sorted(FOLDER.glob("*.zip")):
        with zipfile.ZipFile(archive) as file:
            for name in file.namelist():
                if name.endswith(".joblib"):
                    yield archive, name


PIPELINES = list(pipelines())


@pytest.mark.parametrize(
    ("archive", "name"), PIPELINES, ids=[f"{archive.stem}-{name}" for archive, name in PIPELINES]
)
def test_a_pipeline_answers_as_the_version_that_wrote_it(tmp_path, archive, name):
    with zipfile.ZipFile(archive) as file:
        record = read_pickle(Path(file.extract(name, tmp_path)))
        answers = np.load(io.BytesIO(file.read(name.replace("joblib", "npz"))))
        rows = np.load(io.BytesIO(file.read("rows.npz")))
    frame = pd.DataFrame(rows["numbers"], columns=["age", "fare", "class"])
    frame[["sex", "port"]] = np.where(rows["words"] == "", None, rows["words"])
    model = import_estimator(record)
    found = model.predict_proba(frame[list(model.schema.feature_names)])
    np.testing.assert_allclose(found, answers["predict_proba"], rtol=0, atol=1e-15)
    # Beside each threshold, the folded trees answer as the preparation does, step by step.
    x = hard_rows(model, None)
    walked, _ = RECORDS.walk(record, x, model.schema)
    np.testing.assert_allclose(model.forest.predict(x).values, walked, rtol=0, atol=1e-15)
