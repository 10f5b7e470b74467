"""Fit scikit-learn's pipelines on a table with words and gaps, and record an old version's answers.

``PYTHON make_pipelines.py ARCHIVE.zip`` writes a file per pipeline, the answers beside it
(``NAME.npz``), and the rows (``rows.npz``): numbers, and words, of which some are empty (missing)
and some are not in the training table. The archives are in ``scikit-learn-pipelines/``.
"""

import os
import sys

import joblib
import numpy as np
import pandas as pd
from make_models import main
from sklearn import compose, ensemble, feature_selection, impute, pipeline, preprocessing

N_TRAINED, N_ASKED = 160, 60
NUMBERS, WORDS = ["age", "fare"], ["sex", "port"]
FOREST = {"n_estimators": 4, "max_depth": 5, "random_state": 3}


def table(seed, n_rows, ports):
    """Two columns of numbers with gaps, two of words, and a count."""
    rng = np.random.RandomState(seed)
    numbers = np.column_stack(
        [rng.normal(30, 12, n_rows), rng.exponential(30, n_rows), rng.randint(1, 4, n_rows)]
    ).round(2)
    numbers[rng.rand(n_rows) < 0.2, 0] = np.nan
    words = np.column_stack([rng.choice(["female", "male"], n_rows), rng.choice(ports, n_rows)])
    return numbers, words


def frame_of(numbers, words):
    """The table as a data frame; an empty word is missing."""
    frame = pd.DataFrame(numbers, columns=["age", "fare", "class"])
    for place, name in enumerate(WORDS):
        frame[name] = pd.Series(words[:, place], dtype=object).replace("", np.nan)
    return frame[["sex", "age", "fare", "port", "class"]]


def pipelines():
    """Yield (name, function that makes the pipeline)."""
    make, columns = pipeline.make_pipeline, compose.ColumnTransformer
    forest = lambda: ensemble.RandomForestClassifier(**FOREST)  # noqa: E731
    fill = lambda: impute.SimpleImputer(strategy="most_frequent")  # noqa: E731
    ignore = lambda: preprocessing.OneHotEncoder(handle_unknown="ignore")  # noqa: E731

    def around(numbers, words, **more):
        return columns([("n", numbers, NUMBERS), ("w", words, WORDS)], **more)

    scaled = lambda: make(impute.SimpleImputer(), preprocessing.StandardScaler())  # noqa: E731
    yield "one-hot", lambda: make(around(scaled(), make(fill(), ignore())), forest())
    sparse = {"sparse_threshold": 1, "remainder": "passthrough"}
    yield (
        "sparse-remainder",
        lambda: make(around(scaled(), make(fill(), ignore()), **sparse), forest()),
    )
    yield (
        "indicator-boosting",
        lambda: make(
            around(
                impute.SimpleImputer(strategy="median", add_indicator=True),
                make(fill(), ignore()),
                sparse_threshold=0,
            ),
            ensemble.GradientBoostingClassifier(**FOREST),
        ),
    )
    for name, scaler in (
        ("min-max", preprocessing.MinMaxScaler()),
        ("robust", preprocessing.RobustScaler()),
        ("power", preprocessing.PowerTransformer()),
        ("quantile", preprocessing.QuantileTransformer(n_quantiles=20)),
        ("bins", preprocessing.KBinsDiscretizer(4, encode="ordinal")),
        ("bins-one-hot", preprocessing.KBinsDiscretizer(3, strategy="uniform")),
        ("logarithm", preprocessing.FunctionTransformer(np.log1p, validate=False)),
    ):
        yield (
            name,
            lambda scaler=scaler: make(
                around(make(impute.SimpleImputer(), scaler), make(fill(), ignore())), forest()
            ),
        )
    drop = lambda: preprocessing.OneHotEncoder(drop="first")  # noqa: E731
    yield "drop-first", lambda: make(columns([("w", drop(), ["sex"])], remainder="drop"), forest())
    yield (
        "infrequent",
        lambda: make(
            around(
                scaled(),
                preprocessing.OneHotEncoder(min_frequency=40, handle_unknown="infrequent_if_exist"),
            ),
            forest(),
        ),
    )
    yield (
        "ordinal",
        lambda: make(
            around(
                scaled(),
                make(
                    fill(),
                    preprocessing.OrdinalEncoder(
                        handle_unknown="use_encoded_value", unknown_value=-1
                    ),
                ),
            ),
            forest(),
        ),
    )
    yield (
        "target",
        lambda: make(around(scaled(), preprocessing.TargetEncoder(random_state=3)), forest()),
    )
    best = feature_selection.SelectKBest
    yield "selected", lambda: make(around(scaled(), make(fill(), ignore())), best(k=4), forest())
    both = lambda: pipeline.make_union(impute.SimpleImputer(), scaled())  # noqa: E731
    yield "union", lambda: make(columns([("u", both(), NUMBERS)]), forest())


def write(folder):
    """Write all pipelines and answers that this version knows."""
    frame = frame_of(*table(0, N_TRAINED, ["C", "Q", "S", ""]))
    rng = np.random.RandomState(9)
    score = (frame["sex"] == "female") * 2.0 + (frame["fare"] > 30) - frame["class"]
    y = np.array(["no", "yes"])[(score + rng.normal(0, 0.7, len(frame)) > -0.5).astype(int)]
    numbers, words = table(1, N_ASKED, ["C", "Q", "S", "", "X"])
    asked = frame_of(numbers, words)
    for name, make in pipelines():
        try:
            estimator = make().fit(frame, y)
            found = {"predict_proba": estimator.predict_proba(asked)}
        except (AttributeError, ImportError, TypeError, ValueError) as error:
            sys.stderr.write("%s: not in this version: %s\n" % (name, str(error)[:100]))
            continue
        path = os.path.join(folder, name)
        joblib.dump(estimator, path + ".joblib", compress=("xz", 9))
        np.savez_compressed(path + ".npz", **found)
    np.savez_compressed(os.path.join(folder, "rows.npz"), numbers=numbers, words=words)


if __name__ == "__main__":
    main(sys.argv[1], write)
