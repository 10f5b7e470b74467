"""CatBoost's models -> ``Model``. A file becomes the record that a pickle of the model would hold.

Neither needs CatBoost, whose versions keep the same format, and neither runs any code.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.catboost.category_codes import hashes_of_codes
from mlserver_forest.importers.catboost.cbm_file import MAGIC, read_cbm
from mlserver_forest.importers.catboost.ctr_columns import derived_columns
from mlserver_forest.importers.catboost.description import ModelDescription
from mlserver_forest.importers.catboost.flat_buffers import damaged
from mlserver_forest.importers.catboost.json_file import read_json
from mlserver_forest.importers.catboost.objective import Objective, objective_of
from mlserver_forest.importers.catboost.splits import Splits
from mlserver_forest.importers.catboost.trees import trees_of
from mlserver_forest.importers.fitted_estimator import Answers, model_of
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import GlobalName, Record
from mlserver_forest.importers.tree_ensemble import TreeEnsemble, walked
from mlserver_forest.model.model import Model
from mlserver_forest.schema.hashed_categories import HashedCategories
from mlserver_forest.schema.schema import Schema, TargetKind

CLASS_NAMES = ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker")
# The key of a pickled model's state that holds the bytes of its file (``__getstate__`` in
# catboost/python-package/catboost/core.py).
CONTENT = "__model"
_READ_FROM_FILE = GlobalName("catboost", "CatBoost")
_MOST_COLUMNS = 1 << 20


def is_cbm(head: bytes) -> bool:
    """Whether ``head`` begins a ``.cbm`` file."""
    return head.startswith(MAGIC)


def is_json(head: bytes) -> bool:
    """Whether ``head`` begins a JSON file, whose keys CatBoost sorts."""
    start = head.lstrip()
    keys = (b'"ctr_data"', b'"features_info"')
    return start.startswith(b"{") and start[1:].lstrip().startswith(keys)


def read(path: Path) -> Record:
    """Read a file of either form."""
    return Record(_READ_FROM_FILE, state={CONTENT: path.read_bytes()})


def version_of(record: Record) -> str:
    """The version of CatBoost that wrote a model; "of an unknown version" if it does not say."""
    return _description(record).version or "of an unknown version"


def to_model(estimator: Any) -> Model:
    """Read a fitted estimator, or its record.

    Raises:
        UnsupportedEstimator: naming what cannot be packed.
    """
    model = replace(_description(record_of(estimator)), hashes=hashes_of_codes(estimator))
    objective = objective_of(model)
    kind: TargetKind = "classification" if objective.classes else "regression"
    forest = _ensemble(model, objective).pack()
    categories = _categories(model)
    return model_of(forest, _names(model), kind, objective.classes, categories=categories)


def walk(record: Record, x: NDArray[Any], schema: Schema) -> Answers:
    """Follow rows through the trees in plain NumPy; see ``estimator_answers``."""
    model = _description(record)
    return walked(_ensemble(model, objective_of(model)), x, schema)


def _description(record: Record) -> ModelDescription:
    content = record.get(CONTENT)
    if not isinstance(content, bytes | bytearray):
        raise UnsupportedEstimator(f"this {record.name} is not fitted; fit it first")
    content = bytes(content)
    model = read_cbm(content) if is_cbm(content) else read_json(content)
    if model.unread:
        kinds = " and ".join(model.unread)
        raise UnsupportedEstimator(
            f"this CatBoost model has {kinds} features, which cannot be packed; train it without "
            "them (text_features, embedding_features)"
        )
    columns = [column for column, _ in model.names]
    if len(set(columns)) != len(columns) or min(columns, default=0) < 0:
        raise damaged("two of its features have the same column")
    if model.n_columns > _MOST_COLUMNS:
        raise damaged(f"it has {model.n_columns} columns")
    return model


def _ensemble(model: ModelDescription, objective: Objective) -> TreeEnsemble:
    splits = Splits.of(model)
    return TreeEnsemble(
        trees=trees_of(model, splits),
        n_features=model.n_columns,
        feature_dtype=np.dtype(np.float64 if model.is_wide else np.float32),
        initial=model.bias,
        postprocessor=objective.postprocessor,
        cuts=splits.cuts,
        derived=derived_columns(model),
    )


def _categories(model: ModelDescription) -> dict[int, HashedCategories]:
    """By column of hashes, what a model knows of its categories."""
    words = {one.index: one.words for one in model.one_hot_features}
    return {
        one.column: HashedCategories(tuple(filter(None, words.get(one.index, ()))))
        for one in model.categorical_features
        if one.column not in model.hashes
    }


def _names(model: ModelDescription) -> list[str]:
    """The features' names; features that are not named are numbered."""
    names = [f"feature_{column}" for column in range(model.n_columns)]
    for column, name in model.names:
        names[column] = name or names[column]
    return names
