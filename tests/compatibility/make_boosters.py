"""Train small boosters with an old version of XGBoost or LightGBM, and record its answers.

``PYTHON make_boosters.py LIBRARY ARCHIVE.zip`` writes a file for each model and form of file, and
the rows with the answers beside the models (``NAME.npz``). It is run once for each version, by a
Python that has it, so it has to run on Python 3.7. The archives are in ``xgboost/`` and
``lightgbm/``, named after versions. In ``NAME.npz``, ``predict`` holds what the object in the file
answers itself, and ``best`` what it answers up to its best round.
"""

import pickle
import shutil
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import joblib
import numpy as np

N_TRAINED = 200
N_ASKED = 50
MISSING = -999.0
ROUNDS = 5


def table(seed, n_rows):
    """(n_rows, 4) numbers as float32; the last column has few distinct ones, zero among them."""
    rng = np.random.RandomState(seed)
    x = rng.normal(size=(n_rows, 4)).round(2)
    x[:, 3] = rng.randint(0, 5, n_rows)
    x[rng.uniform(size=x.shape) < 0.1] = np.nan
    return x.astype(np.float32)


def targets(x):
    rng = np.random.RandomState(9)
    x = np.nan_to_num(x)
    score = x[:, 0] - x[:, 1] * x[:, 2] + (x[:, 3] % 3) + rng.normal(0, 0.2, len(x))
    return score, (score > 0.8).astype(int), np.digitize(score, [0.2, 1.4])


def with_number(x):
    """With a number in the place of what is missing."""
    return np.where(np.isnan(x), np.float32(MISSING), x)


def dump(model, path):
    """Pickle a booster by itself, and an estimator by joblib."""
    if type(model).__name__ != "Booster":
        joblib.dump(model, path + ".joblib", compress=3)
        return
    Path(path + ".pickle").write_bytes(pickle.dumps(model, 4))


class XGBoost:
    """The models of XGBoost."""

    def __init__(self, folder):
        import xgboost

        self.package = xgboost
        self.folder = folder
        self.version = tuple(int(part) for part in xgboost.__version__.split(".")[:2])
        self.x, self.asked = table(0, N_TRAINED), table(1, N_ASKED)
        self.score, self.binary, self.three = targets(self.x)

    def write(self):
        for name, target, options in (
            ("binary", self.binary, {"objective": "binary:logistic"}),
            ("logitraw", self.binary, {"objective": "binary:logitraw"}),
            ("hinge", self.binary, {"objective": "binary:hinge"}),
            ("softprob", self.three, {"objective": "multi:softprob", "num_class": 3}),
            ("softmax", self.three, {"objective": "multi:softmax", "num_class": 3}),
            ("squares", self.score, {"objective": "reg:squarederror", "base_score": 0.7}),
            ("logistic", self.binary, {"objective": "reg:logistic", "base_score": 0.3}),
            ("poisson", np.exp(self.score / 2), {"objective": "count:poisson"}),
            ("tweedie", np.exp(self.score / 2), {"objective": "reg:tweedie"}),
            ("cox", np.exp(self.score / 2), {"objective": "survival:cox"}),
            ("rank", self.three, {"objective": "rank:pairwise"}),
            ("forest", self.binary, {"objective": "binary:logistic", "num_parallel_tree": 3}),
            ("pruned", self.score, {"objective": "reg:squarederror", "gamma": 4.0}),
            ("dart", self.score, {"booster": "dart", "rate_drop": 0.4, "max_depth": 2}),
        ):
            self.booster(name, target, options)
        for options in ({}, {"num_parallel_tree": 2}):
            self.stopped("stopped" + "-forest" * bool(options), options)
        self.estimators()

    def matrix(self, x, y=None):
        return self.package.DMatrix(x, label=y)

    def train(self, target, options, **more):
        data = self.matrix(self.x, target)
        if options.get("objective", "").startswith("rank:"):
            data.set_group([len(self.x) // 4] * 4)
        parameters = dict({"max_depth": 3, "nthread": 1, "seed": 3}, **options)
        return self.package.train(parameters, data, ROUNDS, **more)

    def booster(self, name, target, options):
        booster = self.train(target, options)
        # Without it, dart drops trees at random when it predicts, until 1.0.
        limit = {"ntree_limit": ROUNDS} if name == "dart" and self.version < (1, 0) else {}
        found = {"predict": booster.predict(self.matrix(self.asked), **limit)}
        self.save(name, booster, booster.save_model, self.asked, found)

    def stopped(self, name, options):
        data = self.matrix(self.x, self.binary)
        held = self.matrix(table(5, 80), np.random.RandomState(4).randint(0, 2, 80))
        parameters = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1, "eta": 0.6}
        parameters["eval_metric"] = "logloss"
        parameters.update(options)
        booster = self.package.train(
            parameters,
            data,
            20,
            evals=[(held, "held")],
            early_stopping_rounds=3,
            verbose_eval=False,
        )
        asked = self.matrix(self.asked)
        if self.version >= (1, 4):
            best = booster.predict(asked, iteration_range=(0, booster.best_iteration + 1))
        else:
            best = booster.predict(asked, ntree_limit=booster.best_ntree_limit)
        found = {"predict": booster.predict(asked), "best": best}
        self.save(name, booster, booster.save_model, self.asked, found)

    def estimators(self):
        library, few = self.package, {"n_estimators": ROUNDS, "max_depth": 3, "n_jobs": 1}
        labels = np.array(["no", "yes"])[self.binary]
        if self.version >= (1, 6):
            labels = self.binary
        missing, asked = with_number(self.x), with_number(self.asked)
        self.estimator("classifier", library.XGBClassifier(**few), self.x, labels, self.asked)
        self.estimator("classes", library.XGBClassifier(**few), self.x, self.three, self.asked)
        self.estimator("regressor", library.XGBRegressor(**few), self.x, self.score, self.asked)
        number = library.XGBRegressor(missing=MISSING, **few)
        self.estimator("missing", number, missing, self.score, asked)
        zero = library.XGBClassifier(missing=0.0, **few)
        # Old versions refuse NaN beside another missing number.
        filled, asked = np.nan_to_num(self.x), np.nan_to_num(self.asked)
        self.estimator("missing-zero", zero, filled, self.binary, asked)
        forest = library.XGBRFRegressor(n_estimators=6, max_depth=3, n_jobs=1)
        self.estimator("random-forest", forest, self.x, self.score, self.asked)

    def estimator(self, name, estimator, x, y, asked):
        estimator.fit(x, y)
        found = {"predict": estimator.predict(asked)}
        if hasattr(estimator, "predict_proba"):
            found["predict_proba"] = estimator.predict_proba(asked)
        save = estimator.save_model if self.version >= (1, 0) else None
        self.save("estimator-" + name, estimator, save, asked, found)

    def save(self, name, model, save_model, asked, found):
        path = str(self.folder / name)
        dump(model, path)
        for extension, first, last in (
            ("model", (0, 0), (2, 0)),
            ("deprecated", (1, 6), (3, 0)),
            ("json", (1, 0), (9, 9)),
            ("ubj", (1, 6), (9, 9)),
        ):
            if save_model is not None and first <= self.version <= last:
                save_model(path + "." + extension)
        np.savez_compressed(path + ".npz", x=asked, **found)


class LightGBM:
    """The models of LightGBM."""

    def __init__(self, folder):
        import lightgbm

        self.package = lightgbm
        self.folder = folder
        self.x, self.asked = table(0, N_TRAINED).astype(float), table(1, N_ASKED).astype(float)
        self.score, self.binary, self.three = targets(self.x)

    def write(self):
        for name, target, options in (
            ("binary", self.binary, {"objective": "binary"}),
            ("classes", self.three, {"objective": "multiclass", "num_class": 3}),
            ("ova", self.three, {"objective": "multiclassova", "num_class": 3}),
            ("regression", self.score, {"objective": "regression"}),
            ("sqrt", self.score, {"objective": "regression", "reg_sqrt": True}),
            ("poisson", np.exp(self.score / 2), {"objective": "poisson"}),
            ("zero", self.score, {"objective": "regression", "zero_as_missing": True}),
            ("no-missing", self.score, {"objective": "regression", "use_missing": False}),
            ("rf", self.binary, {"boosting": "rf", "objective": "binary", "bagging_freq": 1}),
            ("dart", self.score, {"boosting": "dart", "objective": "regression"}),
            ("categories", self.three, {"objective": "multiclass", "num_class": 3, "codes": [3]}),
        ):
            self.booster(name, target, options)
        self.estimators()

    def train(self, target, options, rounds=ROUNDS, **more):
        options = dict(options)
        codes = options.pop("codes", "auto")
        data = self.package.Dataset(self.x, target, categorical_feature=codes)
        parameters = {"num_leaves": 6, "num_threads": 1, "verbose": -1, "min_data_in_leaf": 5}
        parameters.update(bagging_fraction=0.7, seed=3, min_data_per_group=5, **options)
        return self.package.train(parameters, data, rounds, **more)

    def booster(self, name, target, options):
        booster = self.train(target, options)
        self.save(name, booster, booster, self.asked, {"predict": booster.predict(self.asked)})

    def estimators(self):
        library, few = self.package, {"n_estimators": ROUNDS, "num_leaves": 6, "n_jobs": 1}
        labels = np.array(["no", "yes"])[self.binary]
        held = (table(5, 80).astype(float), np.random.RandomState(4).randint(0, 2, 80))
        self.estimator("classifier", library.LGBMClassifier(**few), labels)
        self.estimator("classes", library.LGBMClassifier(**few), self.three)
        self.estimator("regressor", library.LGBMRegressor(**few), self.score)
        ranker = library.LGBMRanker(**few)
        self.estimator("ranker", ranker, self.three, group=[len(self.x) // 4] * 4)
        stopping = {"early_stopping_rounds": 2}
        if int(library.__version__.split(".")[0]) >= 4:
            stopping = {"callbacks": [library.early_stopping(2, verbose=False)]}
        stopped = library.LGBMClassifier(**dict(few, n_estimators=30, learning_rate=0.6))
        self.estimator("stopped", stopped, self.binary, eval_set=[held], **stopping)

    def estimator(self, name, estimator, y, **more):
        estimator.fit(self.x, y, **more)
        found = {"predict": estimator.predict(self.asked)}
        if hasattr(estimator, "predict_proba"):
            found["predict_proba"] = estimator.predict_proba(self.asked)
        self.save("estimator-" + name, estimator, None, self.asked, found)

    def save(self, name, model, booster, asked, found):
        path = str(self.folder / name)
        dump(model, path)
        if booster is not None:
            booster.save_model(path + ".txt")
        np.savez_compressed(path + ".npz", x=asked, **found)


LIBRARIES = {"xgboost": XGBoost, "lightgbm": LightGBM}


def main(library, archive):
    warnings.simplefilter("ignore")
    folder = tempfile.mkdtemp()
    try:
        LIBRARIES[library](Path(folder)).write()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
            for path in sorted(Path(folder).iterdir()):
                file.write(str(path), path.name)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
