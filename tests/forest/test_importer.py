"""What can be packed, and what is refused by name."""

import numpy as np
import pytest
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.forest.importer import import_estimator


@pytest.mark.parametrize("kind", [LogisticRegression, BaggingClassifier])
def test_another_estimator_is_refused_by_name(kind):
    with pytest.raises(UnsupportedEstimator, match=kind.__name__):
        import_estimator(kind())


def test_a_classifier_of_two_targets_is_refused():
    x = np.arange(10).reshape(5, 2)
    with pytest.raises(UnsupportedEstimator, match="2 targets"):
        import_estimator(RandomForestClassifier(2).fit(x, x))


def test_equal_leaf_values_are_stored_once(iris_forest):
    forest = import_estimator(iris_forest).forest
    assert len(np.unique(forest.leaf_values, axis=0)) == len(forest.leaf_values)
    assert len(forest.leaf_values) < len(forest.nodes) / 4
