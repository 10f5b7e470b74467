"""A toy model library: a stump with its own class, and its own file: JSON with a magic word.

It is what a new library needs: how its files are told and read, how its trees become a model, and
what the library itself answers. ``register`` adds its row, which a real library has in
``importers/registry.py``.
"""

import json
from pathlib import Path

import numpy as np

from mlserver_forest.engine.tree_packing import Tree, pack
from mlserver_forest.importers import registry
from mlserver_forest.importers.fitted_estimator import estimator_answers, model_of

__version__ = "1.2.3"
MAGIC = b'{"toy_library"'


class Stump:
    """Predicts ``low`` up to a threshold of one column and ``high`` above it; NaN gives low."""

    def __init__(self, column, threshold, low, high, n_features):
        self.column, self.threshold = column, threshold
        self.low, self.high, self.n_features = low, high, n_features

    def predict(self, x):
        return np.where(x[:, self.column] > self.threshold, self.high, self.low)

    def save(self, path):
        Path(path).write_text(json.dumps({"toy_library": 1, **vars(self)}))


def is_model(head):
    return head.startswith(MAGIC)


def read(path):
    found = json.loads(path.read_text())
    del found["toy_library"]
    return Stump(**found)


def to_model(stump):
    tree = Tree(
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        feature=np.array([stump.column, 0, 0]),
        threshold=np.array([stump.threshold, 0.0, 0.0]),
        missing_right=np.zeros(3, bool),
        values=np.array([[0.0], [stump.low], [stump.high]]),
        covers=np.array([2.0, 1.0, 1.0]),
    )
    forest = pack(
        [tree], n_features=stump.n_features, feature_dtype=np.float64, initial=np.zeros(1)
    )
    return model_of(forest, None, "regression", ())


def register():
    """Add the row to the table."""
    registry.IMPORTERS += (
        registry.Importer(
            module=__name__,
            title="Toy",
            distribution="toy-library",
            class_names=("Stump",),
            to_model=to_model,
            answers=estimator_answers,
            tolerance=0.0,
            has_exact_sums=True,
            files=(registry.FileFormat("a Toy file", is_model, read),),
        ),
    )
