"""`forest pack` on CatBoost's files: recognized, proven, written, and served as any model."""

import json
import tarfile

import numpy as np
import pandas as pd
import pytest

from forked_command import run_forked
from importers.catboost.catboost_files import content_of
from mlserver_forest.artifact import model_directory
from support import clean_environ


def pack(path, out, *options):
    return run_forked("forest", "pack", path, "--out", out, *options, environ=clean_environ())


@pytest.mark.parametrize("name", ["binary.cbm", "lossguide.json", "squared.pickle"])
def test_a_model_of_numbers_is_proven_by_catboost_itself(name, tmp_path):
    (tmp_path / name).write_bytes(content_of(name))
    done = pack(tmp_path / name, tmp_path / "model")
    assert done.returncode == 0, done.stderr
    assert "1000 rows, 0 differences" in done.stdout
    assert "compared with CatBoost 1.2.10\n" in done.stdout
    settings = json.loads((tmp_path / "model" / "model-settings.json").read_text())
    assert "catboost/1.2.10" in settings["versions"]


def test_a_model_of_words_agrees_with_the_answers_that_were_kept(tmp_path):
    recorded = json.loads(content_of("statistics.answers.json"))
    frame = pd.DataFrame(recorded["rows"])
    frame.to_csv(tmp_path / "rows.csv", index=False, header=False)
    pd.DataFrame(recorded["answers"]["Probability"]).to_csv(tmp_path / "answers.csv", index=False)
    (tmp_path / "statistics.cbm").write_bytes(content_of("statistics.cbm"))
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "statistics.cbm", "statistics.cbm")
    given = ["--data", tmp_path / "rows.csv", "--expect", tmp_path / "answers.csv"]
    done = pack(tmp_path / "model.tar.gz", tmp_path / "model", *given)
    assert done.returncode == 0, done.stderr
    assert "CatBoost 1.2.10 itself was not asked" in done.stdout
    assert f"60 rows agree with {tmp_path / 'answers.csv'}" in done.stdout
    model = model_directory.load(tmp_path / "model")
    found = model.predict_proba(recorded["rows"])
    np.testing.assert_allclose(found, recorded["answers"]["Probability"], rtol=1e-12)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"CBM1", "the CatBoost model is damaged or truncated (it ends early); copy it again"),
        (content_of("binary.cbm")[:3000], "damaged or truncated (it ends early)"),
        (content_of("lossguide.json")[:3000], "damaged or truncated (its JSON is not a model"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(content, fault, tmp_path):
    (tmp_path / "file").write_bytes(content)
    done = pack(tmp_path / "file", tmp_path / "model")
    assert done.returncode == 1
    assert fault in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "model").exists()
