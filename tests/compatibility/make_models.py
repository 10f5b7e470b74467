"""Train small models with an old version of scikit-learn, and record its answers.

``PYTHON make_models.py ARCHIVE.zip`` writes a file per model, and the rows with the answers beside
it (``NAME.npz``). It is run once for each version, by a Python that has it, so it has to run on
Python 2.7 and with scikit-learn 0.20. The archives are in ``scikit-learn/``, named after versions.
"""

import os
import pickle
import shutil
import sys
import tempfile
import warnings
import zipfile

import numpy as np
import sklearn
from sklearn import ensemble, tree

try:
    import joblib
except ImportError:
    from sklearn.externals import joblib

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
# How files are written, in turn: joblib's compressions, and the protocols of pickle.
WAYS = (3, 0, ("bz2", 3), ("xz", 3) if sys.version_info >= (3, 3) else 9, "0", "2", "4")
N_TRAINED = 160
N_ASKED = 60


def table(seed, n_rows):
    """(n_rows, 5) numbers; the last column has few distinct ones."""
    rng = np.random.RandomState(seed)
    x = rng.normal(size=(n_rows, 5)).round(3)
    x[:, 4] = rng.randint(0, 6, n_rows)
    return x


def targets(x):
    rng = np.random.RandomState(9)
    score = x[:, 0] - x[:, 1] * x[:, 2] + (x[:, 4] % 3) + rng.normal(0, 0.2, len(x))
    return score, (score > 0.8).astype(int), np.digitize(score, [0.2, 1.4])


def histogram(name):
    """HistGradientBoosting, which was experimental at first; None before 0.21."""
    if VERSION < (0, 21):
        return None
    if VERSION < (1, 0):
        from sklearn.experimental import enable_hist_gradient_boosting  # noqa: F401
    return getattr(ensemble, name)


def models(x, score, binary, three):
    """Yield (name, estimator, X, y)."""
    words = np.array(["no", "yes"])[binary]
    weights = np.where(binary, 2.0, 0.5)
    small = {"max_depth": 4, "random_state": 3}
    few = dict(small, n_estimators=4)
    yield "decision-tree", tree.DecisionTreeClassifier(**small), x, three, None
    yield "decision-tree-weights", tree.DecisionTreeClassifier(**small), x, words, weights
    yield "decision-tree-outputs", tree.DecisionTreeRegressor(**small), x, x[:, :2] * 2, None
    yield "extra-tree", tree.ExtraTreeClassifier(**small), x, binary == 1, None
    yield "random-forest", ensemble.RandomForestClassifier(**few), x, three, None
    balanced = ensemble.RandomForestClassifier(class_weight="balanced", **few)
    yield "random-forest-balanced", balanced, x, words, None
    yield "random-forest-regressor", ensemble.RandomForestRegressor(**few), x, score, None
    yield "random-forest-outputs", ensemble.RandomForestRegressor(**few), x, x[:, 1:3], None
    yield "extra-trees", ensemble.ExtraTreesClassifier(bootstrap=True, **few), x, three, None
    yield "extra-trees-regressor", ensemble.ExtraTreesRegressor(**few), x, score, None
    boosting, regressor = ensemble.GradientBoostingClassifier, ensemble.GradientBoostingRegressor
    yield "gradient-boosting", boosting(**few), x, words, None
    yield "gradient-boosting-classes", boosting(**few), x, three, None
    yield "gradient-boosting-exponential", boosting(loss="exponential", **few), x, binary, None
    yield "gradient-boosting-regressor", regressor(**few), x, score, None
    yield "gradient-boosting-huber", regressor(loss="huber", **few), x, score, None
    yield "gradient-boosting-quantile", regressor(loss="quantile", alpha=0.8, **few), x, score, None
    yield "gradient-boosting-zero", regressor(init="zero", **few), x, score, None
    isolation = {"n_estimators": 6, "max_samples": 50, "random_state": 3}
    if VERSION < (0, 22):
        isolation["behaviour"] = "new"
    forest = ensemble.IsolationForest
    yield "isolation", forest(contamination=0.1, **isolation), x, None, None
    yield (
        "isolation-features",
        forest(contamination=0.2, max_features=0.6, **isolation),
        x,
        None,
        None,
    )
    if VERSION < (0, 22):
        old = dict(isolation, behaviour="old")
        yield "isolation-old", forest(contamination=0.15, **old), x, None, None
    missing = x.copy()
    missing[np.random.RandomState(1).uniform(size=x.shape) < 0.15] = np.nan
    if VERSION >= (1, 4):
        yield "random-forest-missing", ensemble.RandomForestClassifier(**few), missing, three, None
        yield "decision-tree-missing", tree.DecisionTreeRegressor(**small), missing, score, None
    classifier = histogram("HistGradientBoostingClassifier")
    number = histogram("HistGradientBoostingRegressor")
    if classifier is None:
        return
    hist = {"max_iter": 5, "max_depth": 3, "random_state": 3, "min_samples_leaf": 5}
    yield "hist", classifier(**hist), x, words, None
    yield "hist-classes", classifier(**hist), x, three, None
    yield "hist-regressor", number(**hist), x, score, None
    if VERSION >= (0, 22):
        yield "hist-missing", classifier(**hist), missing, binary, None
    if VERSION >= (0, 23):
        yield "hist-poisson", number(loss="poisson", **hist), x, np.exp(score / 2), None
    if VERSION >= (0, 24):
        chosen = [False, False, False, False, True]
        categories = missing.copy()
        yield "hist-categories", classifier(categorical_features=chosen, **hist), x, three, None
        yield (
            "hist-categories-missing",
            number(categorical_features=chosen, **hist),
            categories,
            score,
            None,
        )


def answers(estimator, x):
    """The answers under the names of the methods."""
    found = {}
    for name in ("predict_proba", "predict", "score_samples", "decision_function"):
        is_scored = hasattr(estimator, "offset_") or name.startswith("predict")
        if is_scored and hasattr(estimator, name):
            found[name] = getattr(estimator, name)(x)
    return found


def save(estimator, path, way):
    if not isinstance(way, str):
        joblib.dump(estimator, path + ".joblib", compress=way)
        return
    protocol = min(int(way), pickle.HIGHEST_PROTOCOL)
    with open(path + ".pickle", "wb") as file:
        pickle.dump(estimator, file, protocol)


def write(folder):
    """Write all models and answers; return the names of the files."""
    x = table(0, N_TRAINED)
    asked = table(1, N_ASKED)
    asked[:5, 4] = [7, 9, 2.0, 0, 5]
    for number, (name, estimator, given, y, weights) in enumerate(models(x, *targets(x))):
        options = {} if weights is None else {"sample_weight": weights}
        try:
            estimator.fit(given, y, **options)
        except (TypeError, ValueError) as error:
            sys.stderr.write("%s: not in this version: %s\n" % (name, str(error)[:100]))
            continue
        rows = asked.copy()
        if np.isnan(given).any():
            rows[np.random.RandomState(2).uniform(size=rows.shape) < 0.2] = np.nan
        save(estimator, os.path.join(folder, name), WAYS[number % len(WAYS)])
        found = answers(estimator, rows)
        np.savez_compressed(os.path.join(folder, name + ".npz"), x=rows, **found)


def main(archive, write):
    """Keep what ``write`` writes to a folder in an archive."""
    warnings.simplefilter("ignore")
    folder = tempfile.mkdtemp()
    try:
        write(folder)
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for name in sorted(os.listdir(folder)):
                file.write(os.path.join(folder, name), name)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1], write)
