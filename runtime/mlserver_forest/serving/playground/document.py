"""What the page shows of a model, as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mlserver import MLModel
from numpy.typing import NDArray

from mlserver_forest.model.card import KEY as CARD_KEY
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.models.loaded_models import Served
from mlserver_forest.serving.models.runtime import ForestModel

# A page stays a few megabytes at most, whatever the model is.
_MOST_FEATURES = 2_000
_MOST_WORDS = 500
_MOST_WORDS_IN_ALL = 20_000
_MOST_CELLS = 20_000
_MOST_SAMPLES = 17


def describe(served: Served, model: MLModel, routes: Mapping[str, str]) -> dict[str, Any]:
    """All that the page needs to know of a loaded model.

    Args:
        served: the model as the routes know it.
        model: the same as MLServer knows it.
        routes: by purpose, the paths of ``routes_of``.
    """
    schema = served.schema
    known = model.model if isinstance(model, ForestModel) else None
    rows = known.samples if known else np.empty((0, schema.n_features))
    baseline = known.baseline if known else None
    calibration = known.calibration if known else None
    ranges = rows if baseline is None else baseline.ranges.T.astype(schema.dtype)
    n_shown = _MOST_CELLS // max(schema.n_features, 1)
    parameters = model.settings.parameters
    return {
        "name": served.name,
        "routes": dict(routes),
        "kind": schema.kind,
        "classes": list(schema.classes),
        "datatype": schema.datatype,
        "n_targets": schema.n_targets,
        "n_features": schema.n_features,
        "takes_missing": schema.takes_missing,
        "features": _features(schema, ranges) if schema.n_features <= _MOST_FEATURES else None,
        "ranges": "samples" if baseline is None else "training",
        "samples": [_sample(row, schema) for row in rows[: min(n_shown, _MOST_SAMPLES)]],
        "insights": list(schema.insights),
        "level": None if calibration is None else calibration.level,
        "n_trees": known.forest.n_trees if known else None,
        "versions": [str(version) for version in model.settings.versions or ()],
        "card": ((parameters and parameters.extra) or {}).get(CARD_KEY),
    }


def _features(schema: Schema, ranges: NDArray[Any]) -> list[dict[str, Any]]:
    """Each feature's name and what to expect of it, by rows with its extreme values."""
    found: list[dict[str, Any]] = []
    n_words = 0
    for column, name in enumerate(schema.feature_names):
        categories = schema.categories_by_column.get(column)
        if categories is None:
            found.append({"name": name, "range": _range(ranges[:, column])})
        elif categories.is_boolean:
            found.append({"name": name, "words": list(categories.names)})
        else:
            n_words += len(categories.names)
            is_short = len(categories.names) <= _MOST_WORDS and n_words <= _MOST_WORDS_IN_ALL
            words = list(categories.names) if is_short else None
            found.append({"name": name, "words": words, "n_words": len(categories.names)})
    return found


def _range(values: NDArray[Any]) -> list[float] | None:
    """The least and the greatest value."""
    known = values[np.isfinite(values)]
    return [_number(known.min()), _number(known.max())] if len(known) else None


def _sample(row: NDArray[Any], schema: Schema) -> Sequence[float | str | None]:
    """A row as a person would write it: words for positions, None for what is missing."""
    return [
        None
        if not np.isfinite(value)
        else schema.categories_by_column[column].names[int(value)]
        if column in schema.categories_by_column
        else _number(value)
        for column, value in enumerate(row)
    ]


def _number(value: Any) -> float:
    """The shortest number that is the same in the features' dtype: 5.1 of a float32."""
    return float(str(value))
