"""The JSON document that a model's page shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.insight.baseline import Baseline
from mlserver_forest.model.card import KEY as CARD_KEY
from mlserver_forest.model.card import read_card
from mlserver_forest.schema.date_spelling import date_text
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.models.runtime import ForestRuntime

# These limits keep a page within a few megabytes, whatever the model is.
_MOST_FEATURES = 2_000
_MOST_CATEGORIES = 500
_MOST_CATEGORIES_IN_ALL = 20_000
_MOST_CELLS = 20_000
# Stands for a category of which only the hash is known.
_ANY_CATEGORY = "unknown"
_MOST_SAMPLES = 17
_SHARE_DIGITS = 5
# What begins the target of cards that do not have its title.
_NAMED = "column '"


def describe(
    served: LoadedModel, routes: Mapping[str, str], report: str | None = None
) -> dict[str, Any]:
    """Describe a loaded model for its page.

    Args:
        served: the model.
        routes: the paths for "invocations" and "infer".
        report: the path of its training report, or None.
    """
    schema, model = served.schema, served.mlmodel
    known = model.model if isinstance(model, ForestRuntime) else None
    rows = known.samples if known else np.empty((0, schema.n_features))
    baseline = known.baseline if known else None
    calibration = known.calibration if known else None
    ranges = rows if baseline is None else baseline.ranges.T.astype(schema.dtype)
    n_shown = _MOST_CELLS // max(schema.n_features, 1)
    parameters = model.settings.parameters
    card = ((parameters and parameters.extra) or {}).get(CARD_KEY)
    return {
        "name": served.name,
        "routes": dict(routes),
        "kind": schema.kind,
        "classes": list(schema.classes),
        "datatype": schema.datatype,
        "n_targets": schema.n_targets,
        "n_features": schema.n_features,
        "takes_missing": schema.takes_missing,
        "target": _target(card),
        "report": report,
        "features": (
            _features(schema, ranges, baseline) if schema.n_features <= _MOST_FEATURES else None
        ),
        "ranges": "samples" if baseline is None else "training",
        "samples": [_sample(row, schema) for row in rows[: min(n_shown, _MOST_SAMPLES)]],
        "insights": list(schema.insights),
        "level": None if calibration is None else calibration.level,
        "n_trees": known.forest.n_trees if known else None,
        "versions": [str(version) for version in model.settings.versions or ()],
        "card": card,
    }


def _target(card: Any) -> str:
    """The name of the target; empty if the model's card does not have it."""
    found = read_card(card)
    if found.target_title or not found.target.startswith(_NAMED):
        return found.target_title
    return found.target.removeprefix(_NAMED).removesuffix("'")


def _features(
    schema: Schema, ranges: NDArray[Any], baseline: Baseline | None
) -> list[dict[str, Any]]:
    """The name of each feature, its range or categories, and its distribution in training.

    Args:
        schema: the features.
        ranges: rows whose columns contain the minimum and the maximum of each feature.
        baseline: the distributions, or None.
    """
    found: list[dict[str, Any]] = []
    n_categories = 0
    for column, name in enumerate(schema.feature_names):
        categories = schema.categories_by_column.get(column)
        if categories is None:
            found.append(_number_feature(schema, name, ranges[:, column]))
        elif categories.is_boolean:
            found.append({"name": name, "categories": list(categories.names)})
        else:
            n_categories += len(categories.names)
            is_short = (
                len(categories.names) <= _MOST_CATEGORIES
                and n_categories <= _MOST_CATEGORIES_IN_ALL
                and not categories.is_hashed
            )
            names = list(categories.names) if is_short else None
            n_names = len(categories.names)
            found.append({"name": name, "categories": names, "n_categories": n_names})
        found[-1]["is_required"] = not schema.may_be_missing(name)
        if baseline is not None:
            found[-1] |= _distribution(baseline, column, len(found[-1].get("categories") or ()))
    return found


def _number_feature(schema: Schema, name: str, values: NDArray[Any]) -> dict[str, Any]:
    is_date = name in schema.spellings and schema.spellings[name].is_date
    return {"name": name, "range": _range(values), **({"is_date": True} if is_date else {})}


def _distribution(baseline: Baseline, column: int, n_categories: int) -> dict[str, Any]:
    """The shares of the rows by bin, and the inner edges of the bins of numbers."""
    features = baseline.features
    shares = features.bins(features.shares, column).round(_SHARE_DIGITS).tolist()
    if n_categories:
        return {"shares": shares} if len(shares) == n_categories else {}
    place = slice(*features.edge_starts[column : column + 2])
    return {"shares": shares, "edges": features.edges[place].tolist()}


def _range(values: NDArray[Any]) -> list[float] | None:
    """The minimum and the maximum."""
    known = values[np.isfinite(values)]
    return [_number(known.min()), _number(known.max())] if len(known) else None


def _sample(row: NDArray[Any], schema: Schema) -> Sequence[float | str | None]:
    """A row as a person would write it: categories by name, None for missing values.

    A category of which only the hash is known stands as some other text.
    """
    return [
        None
        if not np.isfinite(value)
        else schema.categories_by_column[column].name_of(float(value)) or _ANY_CATEGORY
        if column in schema.categories_by_column
        else _shown(schema, column, value)
        for column, value in enumerate(row)
    ]


def _shown(schema: Schema, column: int, value: Any) -> float | str:
    """A date as text, and any other number as it is."""
    spelling = schema.spellings_by_column.get(column)
    return date_text(float(value)) if spelling and spelling.is_date else _number(value)


def _number(value: Any) -> float:
    """The shortest number that is equal in the features' dtype, such as 5.1 for a float32."""
    return float(str(value))
