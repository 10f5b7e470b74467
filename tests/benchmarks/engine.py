"""The forest engine beside its peers: one thread each, in one process, rounds interleaved.

Two forests of 100 trees (iris, and a deep one fitted on 50,000 x 28 generated rows)
against scikit-learn, ONNX Runtime and Treelite's GTIL; an XGBoost and a LightGBM model of
500 trees of depth 6 against their own libraries and the engines of ``booster_peers.py``; models
with categories, or with zeros that are missing, against theirs; two threads against one; and the
size and loading time of the deep forest's artifact. Answers are compared before anything is timed,
and times are CPU seconds.
"""

import pickle
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np
import onnxruntime
import skl2onnx
import treelite
import xgboost
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from tests.benchmarks.booster_peers import peers_of_booster
from threadpoolctl import threadpool_limits

from mlserver_forest.artifact.forest_file import encode_forest, load_forest
from mlserver_forest.importers.importer import import_estimator

# Rows per call -> calls per round, rounds.
SIZES = {1: (20, 15), 32: (5, 15), 1_000: (1, 9), 10_000: (1, 7)}
TARGETS = {
    ("iris", "scikit-learn", 1): 300,
    ("deep", "scikit-learn", 1): 300,
    ("deep", "scikit-learn", 1_000): 6,
    ("deep", "scikit-learn", 10_000): 2.5,
    ("iris", "scikit-learn", 10_000): 3,
    ("deep", "ONNX Runtime", 10_000): 4,
    ("XGBoost", "its own", 1): 1,
    ("XGBoost", "its own", 10_000): 1,
    ("LightGBM", "its own", 1): 1,
    ("LightGBM", "its own", 10_000): 1,
    ("LightGBM", "daal4py", 10_000): 2.22,
    ("XGBoost", "daal4py", 10_000): 2,
}
# Of the engines for boosters, at every size.
PEER_TARGET = 1.11
# Of a model with categories, against its library at every size, and against the same model of
# numbers alone.
OWN_TARGET = 2
WITHOUT_TARGET = 0.77
# Columns with categories, and how many each has.
CATEGORIES = ((1, 2), (1, 20), (5, 20), (28, 20), (5, 1_000), (1, 10_000))
# The most that HistGradientBoosting takes.
_FEW_CATEGORIES = 255


@dataclass(frozen=True)
class Peer:
    """Another engine for the same model.

    Attributes:
        name: what the table calls it.
        predict: rows -> probabilities, in one thread.
        tolerance: how far its answers may lie from ours; infinite if it is another model.
    """

    name: str
    predict: Callable
    tolerance: float


def main(n_rows=60_000, n_rounds=500, categories=CATEGORIES):
    """Print the table; five sixths of the generated rows are fitted on.

    Args:
        n_rows: of the generated table.
        n_rounds: of the boosters with categories.
        categories: see ``CATEGORIES``.
    """
    x, y = make_classification(
        n_rows, 28, n_informative=12, n_redundant=4, flip_y=0.05, random_state=0
    )
    x, rows = np.split(x.astype(np.float32), [n_rows * 5 // 6])
    y = y[: len(x)]
    deep = RandomForestClassifier(100, random_state=0, n_jobs=-1).fit(x, y)
    iris = RandomForestClassifier(100, random_state=0).fit(*load_iris(return_X_y=True))
    iris_rows = np.tile(load_iris().data, (67, 1))[:10_000].astype(np.float32)
    print(f"{'model':9} {'rows':>6} {'peer':14} {'peer':>12} {'ours':>12} {'ratio':>7}  target")
    compare("iris", import_estimator(iris).forest, peers_of(iris), iris_rows)
    compare("deep", import_estimator(deep).forest, peers_of(deep), rows)
    for name, booster, peer in boosters(x, y):
        forest = import_estimator(booster).forest
        compare(name, forest, [peer], rows.astype(forest.feature_dtype))
        others = [
            Peer(other, lambda x, predict=predict: two_columns(predict(x)), 1e-5)
            for other, predict in peers_of_booster(booster)
        ]
        compare(name, forest, others, rows.astype(forest.feature_dtype), PEER_TARGET)
        two_threads(name, forest, rows.astype(forest.feature_dtype))
    with threadpool_limits(1):
        plain = {}
        for name, booster, peer, rows_of_model in with_categories(x, y, rows, n_rounds, categories):
            forest = import_estimator(booster).forest
            coded = rows_of_model.astype(forest.feature_dtype)
            compare(name, forest, [peer], coded, OWN_TARGET)
            library = name.partition(",")[0]
            if library in plain:
                without = Peer("no categories", plain[library].predict, np.inf)
                compare(name, forest, [without], coded, WITHOUT_TARGET)
            else:
                plain[library] = forest
    two_threads("deep", import_estimator(deep).forest, rows)
    artifact(deep, rows)


def peers_of(estimator):
    """Three engines that read a scikit-learn forest."""
    estimator.set_params(n_jobs=1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = skl2onnx.to_onnx(
        estimator,
        np.zeros((1, estimator.n_features_in_), np.float32),
        options={"zipmap": False},
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    name = session.get_inputs()[0].name
    trees = treelite.sklearn.import_model(estimator)
    return [
        Peer("scikit-learn", estimator.predict_proba, 0.0),
        Peer("ONNX Runtime", lambda x: session.run(None, {name: x})[1], 1e-5),
        Peer("GTIL", lambda x: treelite.gtil.predict(trees, x, nthread=1)[:, 0, :], 1e-6),
    ]


def boosters(x, y):
    """A booster of each library, and the library's own predictor."""
    parameters = {"objective": "binary:logistic", "max_depth": 6, "eta": 0.1}
    xgb = xgboost.train(parameters, xgboost.DMatrix(x, y), 500)
    xgb.set_param({"nthread": 1})
    yield "XGBoost", xgb, Peer("its own", lambda x: two_columns(xgb.inplace_predict(x)), 1e-6)
    parameters = {"objective": "binary", "max_depth": 6, "num_leaves": 63, "verbosity": -1}
    lgb = lightgbm.train(parameters, lightgbm.Dataset(x.astype(np.float64), y), 500)
    own = Peer("its own", lambda x: two_columns(lgb.predict(x, num_threads=1)), 1e-6)
    yield "LightGBM", lgb, own


def with_categories(x, y, rows, n_rounds, categories):
    """Boosters without and with columns of categories, and of zeros that are missing."""
    for n_columns, n_categories in ((0, 1), *categories):
        coded, coded_rows = coded_tables((x, rows), n_columns, n_categories)
        columns = list(range(n_columns))
        kind = f"{n_columns} of {n_categories}"
        booster = light(coded, y, 63, n_rounds, categorical_feature=columns)
        yield f"LightGBM, {kind}", booster, own_of_light(booster), coded_rows
        types = ["c"] * n_columns + ["q"] * (x.shape[1] - n_columns)
        yield f"XGBoost, {kind}", *extreme(coded, y, types, n_rounds), coded_rows
        if n_categories <= _FEW_CATEGORIES:
            hist = HistGradientBoostingClassifier(
                max_iter=n_rounds, early_stopping=False, categorical_features=columns
            ).fit(coded, y)
            peer = Peer("its own", hist.predict_proba, 1e-6)
            yield f"HistGradientBoosting, {kind}", hist, peer, coded_rows
    sparse, sparse_rows = (np.where(np.abs(table) < 0.3, 0, table) for table in (x, rows))
    booster = light(sparse, y, 31, n_rounds, zero_as_missing=True)
    yield "LightGBM, zero_as_missing", booster, own_of_light(booster), sparse_rows


def coded_tables(tables, n_columns, n_categories):
    """The tables with their first columns cut into categories of equal size, in random order."""
    edges = np.linspace(0, 1, n_categories + 1)[1:-1]
    rng = np.random.default_rng(0)
    coded = [table.copy() for table in tables]
    for column in range(n_columns):
        bounds, names = np.quantile(tables[0][:, column], edges), rng.permutation(n_categories)
        for table in coded:
            table[:, column] = names[np.searchsorted(bounds, table[:, column])]
    return coded


def light(x, y, n_leaves, n_rounds=500, categorical_feature="auto", **parameters):
    parameters |= {"objective": "binary", "num_leaves": n_leaves, "verbosity": -1}
    data = lightgbm.Dataset(x.astype(np.float64), y, categorical_feature=categorical_feature)
    return lightgbm.train(parameters, data, n_rounds)


def own_of_light(booster):
    return Peer("its own", lambda x: two_columns(booster.predict(x, num_threads=1)), 1e-6)


def extreme(x, y, types, n_rounds=500):
    """An XGBoost model with columns of these types, and its peer."""

    def matrix(rows, labels=None):
        return xgboost.DMatrix(rows, labels, feature_types=types, enable_categorical=True)

    parameters = {"objective": "binary:logistic", "max_depth": 6, "eta": 0.1}
    booster = xgboost.train(parameters, matrix(x, y), n_rounds)
    booster.set_param({"nthread": 1})
    own = Peer("its own", lambda rows: two_columns(booster.predict(matrix(rows))), 1e-6)
    return booster, own


def two_columns(second):
    return np.column_stack([1 - second, second])


def seconds(function, x, calls, clock=time.process_time):
    start = clock()
    for _ in range(calls):
        function(x)
    return (clock() - start) / calls


def medians(functions, x, calls, rounds, clock=time.process_time):
    """Of each function's seconds per call, the functions taking turns."""
    times = [[seconds(function, x, calls, clock) for function in functions] for _ in range(rounds)]
    return np.median(times, axis=0)


def compare(name, forest, peers, x, target_of_all=None):
    for peer in peers:
        difference = 0.0
        if peer.tolerance < np.inf:
            answers = np.asarray(peer.predict(x), np.float64)
            difference = np.abs(forest.predict(x).values - answers).max()
        if difference > peer.tolerance:
            raise SystemExit(f"{name}: {peer.name}'s answers differ by {difference}")
        for n_rows, (calls, rounds) in SIZES.items():
            rows = np.ascontiguousarray(x[:n_rows])
            slow = peer.name == "GTIL"
            theirs, ours = medians(
                [peer.predict, forest.predict], rows, calls, 3 if slow else rounds
            )
            target = TARGETS.get((name, peer.name, n_rows), target_of_all)
            line(name, n_rows, peer.name, theirs, ours, target)
        print(f"{name:9} {'':6} {peer.name:14} largest difference {difference:.1e}")


def line(name, n_rows, peer, theirs, ours, target):
    ratio = theirs / ours
    verdict = "" if target is None else f"{target:5} {'ok' if ratio >= target else 'missed'}"
    print(
        f"{name:9} {n_rows:6} {peer:14} {theirs * 1e6:9.1f} us {ours * 1e6:9.1f} us "
        f"{ratio:7.1f} {verdict}"
    )


def two_threads(name, forest, x):
    functions = [forest.predict, lambda x: forest.predict(x, n_threads=2)]
    one, two = medians(functions, x, 1, 15, time.perf_counter)
    line(name, len(x), "one thread", one, two, 1.7)


def artifact(estimator, x):
    """The deep forest's file: size and loading."""
    forest = import_estimator(estimator).forest
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "forest.safetensors")
        answers = estimator.predict_proba(x[:17])
        path.write_bytes(b"".join(encode_forest(forest, x[:17], answers, {}, {}).parts))
        size, pickled = path.stat().st_size, len(pickle.dumps(estimator))
        print(f"file {size / 1e6:.1f} MB, pickle {pickled / 1e6:.1f} MB: {size / pickled:.2f}")
        loading = [seconds(load_forest, path, 1) for _ in range(9)]
        print(f"loaded in {np.median(loading) * 1e3:.1f} ms")
