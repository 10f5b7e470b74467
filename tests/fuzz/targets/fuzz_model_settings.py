"""model-settings.json, beside a forest file that is as it should be."""

from dataclasses import replace
from functools import cache

import numpy as np

from fuzz.target import Target, fuzz, instrumented

with instrumented():
    from fuzz.files import folder, walk
    from mlserver_forest.artifact import model_directory
    from mlserver_forest.errors import InvalidArtifact
    from mlserver_forest.importers.importer import import_estimator
    from mlserver_forest.model.card import Card
    from mlserver_forest.serving.models.repository import settings_of
    from mlserver_forest.serving.models.runtime import schema_of

_NAMES = ("sepal length", "sepal width", "petal length", "colour")
_CARD = Card("random_forest", "2026-01-31T12:00:00Z", 150, {"train": {"accuracy": 1.0}}, {"a": 0.5})


@cache
def directory():
    """A model directory with a forest file and the settings that belong to it."""
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier

    x, y = load_iris(return_X_y=True)
    estimator = RandomForestClassifier(2, random_state=0, n_jobs=1).fit(x, y)
    model = import_estimator(estimator)
    schema = replace(model.schema, feature_names=_NAMES, classes=("setosa", "versicolor", "other"))
    rows = x[:5].astype(np.float32)
    path = folder() / "model"
    answers = estimator.predict_proba(rows)
    model_directory.save(
        path,
        replace(model, schema=schema, card=_CARD),
        name="forest",
        versions=["scikit-learn/1.9.1"],
        self_test=(rows, answers),
    )
    return path


@cache
def valid():
    return (directory() / "model-settings.json").read_bytes()


def samples():
    return [
        valid(),
        valid().replace(b'"uri"', b'"version": "v1", "uri"'),
        valid().replace(b'"uri"', b'"content_type": "np", "uri"'),
        valid().replace(b"mlserver_forest.ForestModel", b"mlserver_sklearn.SKLearnModel"),
    ]


def read(data):
    valid()
    (directory() / "model-settings.json").write_bytes(data)
    schema_of(settings_of(directory(), trust_code=False))
    walk(model_directory.load(directory()).forest)


TARGET = Target("model_settings", samples, read, (InvalidArtifact,))
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
