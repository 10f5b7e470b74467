"""The forest engine beside scikit-learn: one thread each, rounds interleaved, answers compared.

Two forests of 100 trees: iris, and a deep one fitted on 50,000 x 28 generated rows.
"""

import time

import numpy as np
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import RandomForestClassifier

from mlserver_forest.forest.importer import import_estimator

# Rows per call, calls per round, rounds.
SIZES = ((1, 20, 15), (1_000, 1, 9), (10_000, 1, 7))


def forests():
    x, y = load_iris(return_X_y=True)
    iris = RandomForestClassifier(100, random_state=0, n_jobs=1).fit(x, y)
    yield "iris", iris, np.tile(x, (67, 1))[:10_000].astype(np.float32)
    x, y = make_classification(
        60_000, 28, n_informative=12, n_redundant=4, flip_y=0.05, random_state=0
    )
    deep = RandomForestClassifier(100, random_state=0, n_jobs=-1).fit(x[:50_000], y[:50_000])
    deep.set_params(n_jobs=1)
    yield "deep", deep, x[50_000:].astype(np.float32)


def seconds(function, x, calls):
    start = time.perf_counter()
    for _ in range(calls):
        function(x)
    return (time.perf_counter() - start) / calls


def main():
    print(f"{'forest':8} {'nodes':>8} {'rows':>6} {'scikit-learn':>14} {'ours':>12} {'ratio':>7}")
    for name, estimator, x in forests():
        forest = import_estimator(estimator).forest
        if not np.array_equal(forest.predict(x).values, estimator.predict_proba(x)):
            raise SystemExit(f"{name}: the answers differ")
        for rows, calls, rounds in SIZES:
            theirs, ours = [], []
            for _ in range(rounds):
                theirs.append(seconds(estimator.predict_proba, x[:rows], calls))
                ours.append(seconds(forest.predict_values, x[:rows], calls))
            a, b = np.median(theirs), np.median(ours)
            print(
                f"{name:8} {len(forest.nodes):8} {rows:6} {a * 1e6:11.1f} us {b * 1e6:9.1f} us "
                f"{a / b:7.1f}"
            )
    print("Answers were identical to the last bit on all rows.")
