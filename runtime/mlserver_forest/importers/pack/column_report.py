"""How a packed pipeline reads each raw column, in a line for each."""

from collections.abc import Mapping

import numpy as np

from mlserver_forest.composition.composition import forests_in
from mlserver_forest.engine.nodes import NodeFields
from mlserver_forest.model.model import Model

_NAMES_SHOWN = 6


def describe_columns(model: Model, says: Mapping[str, str]) -> list[str]:
    """A line for each feature, such as "age: number, may be missing (imputed by 30), 312 tests".

    Args:
        model: the packed model, whose features may have new names.
        says: for each raw column, in the order of the features, what is done with it.
    """
    schema, n_tests = model.schema, _tests_by_feature(model)
    lines = []
    for name, done, n in zip(schema.feature_names, says.values(), n_tests.tolist(), strict=True):
        categories = schema.categories.get(name)
        kind = "number"
        if categories is not None:
            kind = ", ".join(categories.names[:_NAMES_SHOWN])
            kind += ", ..." if len(categories.names) > _NAMES_SHOWN else ""
        missing = "may be missing" if schema.may_be_missing(name) else "never missing"
        shown = f" ({done})" if done else ""
        lines.append(f"{name}: {kind}, {missing}{shown}, {n:,} tests")
    return lines


def _tests_by_feature(model: Model) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """(n_features,) how many nodes test each feature."""
    total = np.zeros(model.forest.n_features, np.int64)
    for forest, columns in forests_in(model.forest):
        fields = NodeFields(forest.nodes, forest.n_columns)
        tested = fields.features[~fields.is_leaf | fields.is_categorical]
        places = columns[tested[tested < len(columns)]]
        total += np.bincount(places[places >= 0], minlength=len(total))
    return total
