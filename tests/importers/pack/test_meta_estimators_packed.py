"""``forest pack`` with estimators around others: what is packed, refused, or stays a pickle."""

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from xgboost import XGBClassifier

from forked_command import run_forked
from mlserver_forest.artifact import model_directory
from support import clean_environ


def pack(path, *options):
    out = path.with_suffix("")
    return run_forked("forest", "pack", path, "--out", out, *options, environ=clean_environ())


@pytest.fixture(scope="module")
def search(iris, tmp_path_factory):
    """A search whose best estimator is no tree ensemble."""
    path = tmp_path_factory.mktemp("search") / "search.joblib"
    joblib.dump(GridSearchCV(LogisticRegression(), {"C": [1]}, cv=2).fit(*iris), path)
    return path


def test_a_vote_of_two_libraries_is_packed_without_running_its_code(tmp_path, iris):
    x, y = iris[0], np.unique(iris[1], return_inverse=True)[1]
    members = [("a", RandomForestClassifier(4)), ("b", XGBClassifier(n_estimators=3))]
    estimator = VotingClassifier(members, voting="soft", weights=[1, 2]).fit(x, y)
    joblib.dump(estimator, tmp_path / "vote.joblib")
    done = pack(tmp_path / "vote.joblib")
    assert done.returncode == 0, done.stderr
    assert "1000 rows, 0 differences" in done.stdout
    # It asks XGBoost about its member.
    assert f"compared with scikit-learn {sklearn.__version__}\n" in done.stdout
    model = model_directory.load(tmp_path / "vote")
    np.testing.assert_allclose(model.predict_proba(x), estimator.predict_proba(x), atol=1e-7)


def test_what_is_no_tree_ensemble_is_named_with_what_stands_around_it(search):
    done = pack(search)
    assert done.returncode == 1
    assert done.stderr == (
        "forest pack: this GridSearchCV cannot be packed: a LogisticRegression is not a tree "
        "ensemble that can be packed. If it comes from a source that you trust, --trust-pickle "
        "packs the pickle for MLServer's own runtime\n"
    )


def test_with_trust_it_stays_a_pickle_and_pack_says_why(search):
    done = pack(search, "--trust-pickle")
    assert done.returncode == 0, done.stderr
    assert "it stays a pickle: a LogisticRegression is not a tree ensemble" in done.stdout
    assert (search.with_suffix("") / "model.joblib").exists()
