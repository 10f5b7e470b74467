"""The models that all servers serve: a joblib file for the peers, our artifact for ours."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import sklearn
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from tests.benchmarks.peers.environment import CACHE
from tests.support import IRIS, save_model

FITTED_ON = 50_000


@dataclass(frozen=True)
class Model:
    """A fitted estimator, and where its files are.

    Attributes:
        pickled: the joblib file.
        artifact: the directory that ``serve`` serves.
        rows: rows to predict, which stand for the requests.
    """

    estimator: Any
    pickled: Path
    artifact: Path
    rows: np.ndarray

    def labels_of(self, rows):
        return [str(label) for label in self.estimator.predict(rows)]


def iris_data():
    table = pd.read_csv(IRIS, header=None)
    return table.iloc[:, 1:].to_numpy(np.float32), table[0].to_numpy(str)


@functools.cache
def generated_data():
    x, y = make_classification(
        FITTED_ON + 20_000, 28, n_informative=12, n_redundant=4, flip_y=0.05, random_state=0
    )
    return np.round(x, 7), y


def iris():
    x, y = iris_data()
    return RandomForestClassifier(100, random_state=0).fit(x, y), x[-1:]


def deep():
    x, y = generated_data()
    forest = RandomForestClassifier(100, random_state=0, n_jobs=-1)
    return forest.fit(x[:FITTED_ON], y[:FITTED_ON]), x[FITTED_ON:]


def small():
    """Trees of the size that iris gives, 9 leaves each, on the data of the deep forest."""
    x, y = generated_data()
    forest = RandomForestClassifier(100, max_leaf_nodes=9, random_state=0, n_jobs=-1)
    return forest.fit(x[:FITTED_ON], y[:FITTED_ON]), x[FITTED_ON:]


FITS = {"iris": iris, "deep": deep, "small": small}


def prepared(name, folder):
    """The model of a name, fitted once and kept, with its artifact written into a folder."""
    versions = f"sklearn{sklearn.__version__}-numpy{np.__version__}"
    path = CACHE / f"{name}-{versions}.joblib"
    if not path.exists():
        print(f"fitting {name}", flush=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        estimator, rows = FITS[name]()
        # One thread for each request: the peers' worker processes take all cores.
        joblib.dump(estimator.set_params(n_jobs=None), path.with_suffix(".new"))
        np.save(path.with_suffix(".npy"), rows)
        os.replace(path.with_suffix(".new"), path)
    estimator, rows = joblib.load(path), np.load(path.with_suffix(".npy"))
    artifact = Path(folder, name, "model")
    if not artifact.exists():
        names = tuple(f"feature_{number}" for number in range(rows.shape[1]))
        save_model(artifact, estimator, sample_of(name, rows), names=names)
    return Model(estimator, path, artifact, rows)


def sample_of(name, rows):
    return iris_data()[0] if name == "iris" else rows
