"""Shared by targets for files: a folder for inputs, and the questions to a model."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np


@cache
def folder():
    """A folder of this process, which is removed when it ends."""
    path = Path(tempfile.mkdtemp(prefix="forest-fuzz-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def written(name, data):
    """The path of a file with these bytes."""
    path = folder() / name
    path.write_bytes(data)
    return path


def walk(forest):
    """Predict rows, a missing value among them, together and alone."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, forest.n_features)).astype(forest.feature_dtype) * 9
    x[0, 0] = np.nan
    forest.predict(x)
    forest.predict(x[:1])
