"""What pack notes of an estimator that stays a pickle."""

import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pack.pickled_schema import columns_by_name

FRAME = pd.DataFrame({"age": [44.0, 20.0, 61.0], "plan": ["pro", "free", "team"]})
NAMES = ("age", "plan")


def pipeline_of(columns):
    words = ColumnTransformer([("words", OneHotEncoder(), columns)])
    return make_pipeline(words, LogisticRegression()).fit(FRAME, [0, 1, 1])


@pytest.mark.parametrize(
    ("columns", "found"),
    [(["plan"], NAMES), (make_column_selector("plan"), NAMES), ([1], ()), (slice(1, 2), ())],
)
def test_the_columns_of_a_frame_are_noted_if_some_are_picked_by_name(columns, found):
    pipeline = pipeline_of(columns)
    assert columns_by_name(pipeline, ()) == columns_by_name(pipeline, list(NAMES)) == found


def test_columns_that_are_picked_by_name_cannot_be_renamed():
    with pytest.raises(UnsupportedEstimator, match="names of training: age, plan; leave --feat"):
        columns_by_name(pipeline_of(["plan"]), ["a", "b"])
