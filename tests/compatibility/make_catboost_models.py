"""Train small models with an old version of CatBoost, and record its answers.

``PYTHON make_catboost_models.py ARCHIVE.zip`` writes a file per model, and the rows with the
answers beside it (``NAME.answers.json``). It is run once for each version, by a Python that has it,
so it has to run on Python 3.6 and with CatBoost 0.20. The archives are in ``catboost/``, named
after versions.
"""

import json
import os
import pickle
import shutil
import sys
import tempfile
import zipfile

import catboost
import numpy as np

VERSION = tuple(int(part) for part in catboost.__version__.split(".")[:2])
WAYS = ("cbm", "json", "pickle")
N_TRAINED = 240
N_ASKED = 60
SMALL = {
    "iterations": 6,
    "depth": 3,
    "random_seed": 3,
    "thread_count": 1,
    "verbose": False,
    "allow_writing_files": False,
}


def numbers(seed, n_rows):
    """(n_rows, 4) float32 numbers, some of which are missing in the last two columns."""
    rng = np.random.RandomState(seed)
    x = rng.normal(size=(n_rows, 4)).round(3).astype(np.float32)
    x[:, 2:][rng.uniform(size=(n_rows, 2)) < 0.15] = np.nan
    return x


def words(seed, n_rows):
    """Rows of two numbers and three categories, which are words, one of them not in ASCII."""
    rng = np.random.RandomState(seed)
    x = numbers(seed, n_rows)
    n_colors = 3 + seed % 2  # The second table has one that the first one does not have.
    return [
        [
            float(x[row, 0]),
            ["red", "gr\u00fcn", "dark blue", "new"][rng.randint(n_colors)],
            None if np.isnan(x[row, 2]) else float(x[row, 2]),
            "street %d" % rng.randint(12 + seed),
            int(rng.randint(6)),
        ]
        for row in range(n_rows)
    ]


def targets(rows):
    rng = np.random.RandomState(9)
    score = np.array([row[0] for row in rows]) + rng.normal(0, 0.3, len(rows))
    if isinstance(rows[0][1], str):
        score += [len(row[1]) % 3 - 1.5 + int(row[3][7:]) / 8.0 for row in rows]
    return score, score > 0.2, np.digitize(score, [-0.3, 0.7])


def models():
    """Yield (name, model, whether it has categories, the target's place, options of ``fit``)."""
    classifier, regressor = catboost.CatBoostClassifier, catboost.CatBoostRegressor
    yield "binary", classifier(**SMALL), False, "words", {}
    yield "binary-numbers", classifier(**SMALL), False, "binary", {}
    yield "cross-entropy", classifier(loss_function="CrossEntropy", **SMALL), False, "share", {}
    yield "classes", classifier(loss_function="MultiClass", **SMALL), False, "three", {}
    several = classifier(loss_function="MultiClassOneVsAll", **SMALL)
    yield "one-vs-all", several, False, "three-words", {}
    yield "squared", regressor(**SMALL), False, "score", {}
    yield "nan-max", regressor(nan_mode="Max", **SMALL), False, "score", {}
    yield "absolute", regressor(loss_function="MAE", **SMALL), False, "score", {}
    yield "quantile", regressor(loss_function="Quantile:alpha=0.8", **SMALL), False, "score", {}
    yield "poisson", regressor(loss_function="Poisson", **SMALL), False, "positive", {}
    if VERSION >= (0, 24):
        yield (
            "tweedie",
            regressor(loss_function="Tweedie:variance_power=1.5", **SMALL),
            False,
            "positive",
            {},
        )
        yield "two-targets", regressor(loss_function="MultiRMSE", **SMALL), False, "pairs", {}
    groups = {"group_id": np.repeat(np.arange(N_TRAINED // 8), 8)}
    yield (
        "ranking",
        catboost.CatBoost(dict(SMALL, loss_function="QueryRMSE")),
        False,
        "three",
        groups,
    )
    for policy in ("Lossguide", "Depthwise"):
        grown = dict(SMALL, grow_policy=policy)
        if VERSION >= (0, 23):
            yield policy.lower(), classifier(**grown), False, "binary", {}
            yield (
                policy.lower() + "-classes",
                classifier(loss_function="MultiClass", **grown),
                False,
                "three",
                {},
            )
    known = {"cat_features": [1, 3, 4]}
    yield "one-hot", classifier(one_hot_max_size=50, **SMALL), True, "binary", known
    yield "statistics", classifier(**SMALL), True, "binary", known
    combined = dict(SMALL, max_ctr_complexity=3, one_hot_max_size=4, iterations=12)
    yield "combinations", classifier(**combined), True, "words", known
    yield (
        "statistics-classes",
        classifier(loss_function="MultiClass", **combined),
        True,
        "three",
        known,
    )
    kinds = ["Borders", "Buckets", "BinarizedTargetMeanValue", "Counter"]
    options = dict(combined, simple_ctr=kinds, combinations_ctr=kinds)
    yield "kinds-of-statistics", regressor(**options), True, "score", known


def target(place, rows):
    score, binary, three = targets(rows)
    return {
        "score": score,
        "binary": binary.astype(int),
        "words": np.array(["no", "yes"])[binary.astype(int)],
        "share": 1 / (1 + np.exp(-score)),
        "three": three,
        "three-words": np.array(["low", "middle", "high"])[three],
        "positive": np.exp(score / 2),
        "pairs": np.column_stack([score, score**2]),
    }[place]


def plain(values):
    return np.asarray(values).tolist()


def answers(model, rows, has_labels):
    """The answers under the names of the prediction types."""
    predict = catboost.CatBoost.predict
    found = {"RawFormulaVal": plain(predict(model, rows, prediction_type="RawFormulaVal"))}
    if has_labels:
        found["Probability"] = plain(predict(model, rows, prediction_type="Probability"))
        found["Class"] = plain(model.predict(rows).reshape(-1))
    elif isinstance(model, catboost.CatBoostRegressor):
        found["predict"] = plain(model.predict(rows))
    return found


def save(model, path, way, pool):
    if way == "pickle":
        with open(path + ".pickle", "wb") as file:
            pickle.dump(model, file, 2)
    else:
        model.save_model(path + "." + way, format=way, pool=pool)


def write(folder):
    """Write all models and answers."""
    for number, (name, model, is_categorical, place, options) in enumerate(models()):
        make = words if is_categorical else numbers
        trained, asked = make(0, N_TRAINED), make(1, N_ASKED)
        filled = [[np.nan if v is None else v for v in row] for row in asked]
        pool = [[np.nan if v is None else v for v in row] for row in trained]
        y = target(place, trained)
        try:
            model.fit(pool, y, **options)
        except catboost.CatBoostError as error:
            sys.stderr.write("%s: not in this version: %s\n" % (name, str(error)[:100]))
            continue
        path = os.path.join(folder, name)
        data = catboost.Pool(pool, y, cat_features=options.get("cat_features"))
        save(model, path, WAYS[number % len(WAYS)], data)
        rows = asked
        if isinstance(asked, np.ndarray):
            rows = np.where(np.isnan(asked), None, asked.astype(float)).tolist()
        found = answers(model, filled, isinstance(model, catboost.CatBoostClassifier))
        with open(path + ".answers.json", "w") as file:
            json.dump({"rows": rows, "answers": found}, file)


def main(archive):
    folder = tempfile.mkdtemp()
    try:
        write(folder)
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for name in sorted(os.listdir(folder)):
                file.write(os.path.join(folder, name), name)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1])
