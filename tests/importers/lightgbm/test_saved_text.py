"""LightGBM's text: what is lost with the end of a file, and the version that wrote it."""

import re

import lightgbm
import numpy as np
import pandas as pd
import pytest

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.lightgbm import saved_text

N = 200


def with_words():
    """A booster that was trained on words."""
    words = pd.Categorical(np.array(["red", "blue"])[np.arange(N) % 2])
    data = lightgbm.Dataset(pd.DataFrame({"colour": words}), np.arange(N) % 2)
    return lightgbm.train({"verbosity": -1, "num_threads": 1}, data, 2)


def written(path, text):
    path.write_text(text)
    return path


def test_a_damaged_line_of_categories_is_refused(tmp_path):
    text = with_words().model_to_string()
    text = re.sub("pandas_categorical:.*", "pandas_categorical:[[", text)
    (tmp_path / "model.txt").write_text(text)
    with pytest.raises(UnsupportedEstimator, match="cannot be read by LightGBM"):
        saved_text.read(tmp_path / "model.txt")


@pytest.mark.parametrize(
    ("cut", "fault"),
    [
        ("\nend of trees", "no line `end of trees`, so trees are lost; copy it again"),
        ("\nend of parameters", "what its categories are is lost.*`pandas_categorical:null`"),
    ],
)
def test_a_text_that_is_cut_off_is_refused_if_something_is_lost(tmp_path, cut, fault):
    path = tmp_path / "model.txt"
    text = with_words().model_to_string()
    path.write_text(text.partition(cut)[0])
    with pytest.raises(UnsupportedEstimator, match=fault):
        saved_text.read(path)


def test_a_text_that_is_cut_off_after_its_trees_is_read_if_nothing_is_lost(tmp_path):
    """What follows is the importance of features and the parameters of training."""
    x = np.random.default_rng(0).normal(size=(100, 2))
    data = lightgbm.Dataset(x, x[:, 0])
    text = lightgbm.train({"verbosity": -1, "num_threads": 1}, data, 2).model_to_string()
    end = text.index("end of trees") + len("end of trees\n")
    (tmp_path / "model.txt").write_text(text[:end])
    saved = saved_text.read(tmp_path / "model.txt")
    assert "cut off after its trees" in saved.notes[0]
    whole = import_estimator(lightgbm.Booster(model_str=text)).predict(x)
    assert np.array_equal(import_estimator(saved).predict(x), whole)
    assert not saved_text.read(written(tmp_path / "whole.txt", text)).notes


def test_the_line_that_the_message_advises_mends_a_text(tmp_path):
    table = pd.DataFrame({"size": np.sin(np.arange(N)), "code": np.arange(N) % 3})
    data = lightgbm.Dataset(table, np.arange(N) % 3, categorical_feature=["code"])
    text = lightgbm.train({"verbosity": -1, "num_threads": 1}, data, 2).model_to_string()
    cut = text.partition("\nfeature_importances")[0]
    with pytest.raises(UnsupportedEstimator, match="what its categories are is lost"):
        saved_text.read(written(tmp_path / "cut.txt", cut))
    mended = saved_text.read(written(tmp_path / "mended.txt", cut + "\npandas_categorical:null\n"))
    assert import_estimator(mended).schema.feature_names == ("size", "code")
