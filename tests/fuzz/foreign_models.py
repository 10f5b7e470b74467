"""Targets for the files of other libraries, which `forest pack` reads in a process of its own."""

import warnings

from fuzz.files import folder, walk, written
from fuzz.mutations import mutate
from fuzz.target import Target
from mlserver_forest.errors import InvalidArtifact, UnsupportedEstimator
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pack.model_file import find_model


def model_target(name, samples, mutate_file=mutate):
    """The target for files of one form."""
    return Target(
        name,
        samples,
        read_model,
        (UnsupportedEstimator, InvalidArtifact),
        mutate_file,
        is_isolated=True,
    )


def read_model(data):
    """The part of `forest pack` that reads a file, up to the comparison of answers."""
    file = find_model(written("model", data), folder())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        walk(import_estimator(file.read()).forest)


def iris():
    """Measurements and classes, the last measurement rounded so that it may be a category."""
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    x[:, 3] = x[:, 3].round()
    return x, y
