"""Contributions: ours, shap's, and XGBoost's and LightGBM's own, in one thread each.

Rounds are interleaved; the median of each is shown, and the median of the rounds' ratios. The
answers are compared before anything is timed.
"""

import argparse
import os
import statistics
import time
import warnings

os.environ["OMP_NUM_THREADS"] = "1"

import lightgbm
import numpy as np
import shap
import xgboost
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from mlserver_forest.importers.importer import import_estimator

N_FEATURES = 28
TIMES = {1: 200, 1_000: 1}


def main(options):
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks explanations")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args(options).rounds
    warnings.simplefilter("ignore")
    print(f"one thread each, {os.cpu_count()} CPUs, medians of {rounds} rounds, per call")
    print(f"{'':28}{'nodes':>9}{'rows':>6}{'ours':>12}{'library':>12}{'ratio':>8}{'apart':>9}")
    missed = 0
    for name, estimator, x in _models():
        forest = import_estimator(estimator).forest
        for n_rows, times in TIMES.items():
            rows = x[:n_rows]
            own, theirs = _ways(estimator, forest, rows)
            apart = np.abs(own() - theirs()).max()
            pairs = [(_seconds(own, times), _seconds(theirs, times)) for _ in range(rounds)]
            ratio = statistics.median(b / a for a, b in pairs)
            ours, library = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(
                f"{name:28}{len(forest.nodes):>9}{n_rows:>6}{ours * 1e3:>9.3f} ms"
                f"{library * 1e3:>9.3f} ms{ratio:>7.1f}x{apart:>9.0e}"
            )
            missed += ratio < 1
    print(f"target: at least as fast for 1 and for 1,000 rows: {'MISSED' if missed else 'met'}")


def _models():
    """Name, fitted estimator, and at least 1,000 rows."""
    rng = np.random.RandomState(0)
    x = rng.normal(size=(20_000, N_FEATURES)).astype(np.float32)
    y = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + 0.3 * rng.normal(size=len(x))
    iris, species = load_iris(return_X_y=True)
    forest = RandomForestClassifier(100, random_state=0, n_jobs=-1)
    yield "iris, 100 trees, 3 classes", forest.fit(iris, species), _cycled(iris)
    shallow = RandomForestRegressor(100, max_depth=8, random_state=0, n_jobs=-1)
    yield "forest, 100 trees, depth 8", shallow.fit(x[:5_000], y[:5_000]), x
    deep = RandomForestRegressor(20, random_state=0, n_jobs=-1)
    yield "forest, 20 trees, deep", deep.fit(x[:5_000], y[:5_000]), x
    yield "XGBoost, 100 trees", xgboost.XGBRegressor(n_jobs=1).fit(x, y), x
    yield "LightGBM, 100 trees", lightgbm.LGBMRegressor(n_jobs=1, verbose=-1).fit(x, y), x


def _cycled(rows):
    return np.resize(rows, (1_000, rows.shape[1])).astype(np.float32)


def _ways(estimator, forest, rows):
    """Ours, and the library's: shap's for scikit-learn, else the booster's own."""
    x = rows.astype(forest.feature_dtype)
    shape = (len(x), x.shape[1], forest.n_outputs)
    if isinstance(estimator, xgboost.XGBModel):
        booster = estimator.get_booster()

        def theirs():
            data = xgboost.DMatrix(rows, nthread=1)
            return booster.predict(data, pred_contribs=True)[:, :-1].reshape(shape)
    elif isinstance(estimator, lightgbm.LGBMModel):

        def theirs():
            return estimator.predict(rows, pred_contrib=True)[:, :-1].reshape(shape)
    else:
        explainer = shap.TreeExplainer(estimator)

        def theirs():
            return explainer.shap_values(rows, check_additivity=False).reshape(shape)

    return lambda: forest.contributions(x), theirs


def _seconds(work, times):
    start = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - start) / times
