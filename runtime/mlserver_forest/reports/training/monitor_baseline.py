"""statistics.json and constraints.json: a baseline of the training rows for Model Monitor.

The formats are those of the developer guide, "Schema for Statistics (statistics.json file)" and
"Schema for Constraints (constraints.json file)": model-monitor-byoc-statistics and
model-monitor-byoc-constraints. The label is the first column, where its prebuilt container
looks for the predictions ("Create a Baseline": the output columns are assumed to be the first).
"""

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.samples import bin_counts, rows_of
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.hashed_categories import HashedCategories

_VERSION = 0.0
# Like the prebuilt container: ten buckets, and a KLL sketch with these parameters.
_N_BUCKETS = 10
_SHRINKING = 0.64
_MOST_KEPT = 2048
_FEWEST_KEPT = 64
# The limit of the numbers in the sketches of all features.
_MOST_NUMBERS = 500_000
_SAMPLE = 200_000
_MOST_CATEGORIES = 1_000
# Above this number of distinct values, no domain constraint is written.
_MOST_DOMAIN = 100
_MONITORING = {
    "evaluate_constraints": "Enabled",
    "emit_metrics": "Enabled",
    "datatype_check_threshold": 1.0,
    "domain_content_threshold": 1.0,
    "distribution_constraints": {
        "perform_comparison": "Enabled",
        "comparison_threshold": 0.1,
        "comparison_method": "Robust",
        "categorical_comparison_threshold": 0.1,
        "categorical_drift_method": "LInfinity",
    },
}


def statistics(facts: Facts) -> str:
    """The text of statistics.json, strict JSON."""
    kept = min(_MOST_KEPT, max(_FEWEST_KEPT, _MOST_NUMBERS // (len(facts.names) + 1)))
    features = [_statistics(*column, kept) for column in _columns(facts)]
    dataset = {"item_count": len(facts.x)}
    return _text({"version": _VERSION, "dataset": dataset, "features": features})


def constraints(facts: Facts) -> str:
    """The text of constraints.json."""
    features = [_constraints(*column) for column in _columns(facts)]
    return _text({"version": _VERSION, "features": features, "monitoring_config": _MONITORING})


def _columns(facts: Facts) -> Iterator[tuple[str, NDArray[Any], Categories | None]]:
    """The name and the values of each column, and its categories if values are not numbers.

    Dates are text, of which no value is named.
    """
    if all(type(label) is int for label in facts.classes):
        yield _target(facts), np.array(facts.classes)[facts.y] if facts.classes else facts.y, None
    else:
        yield _target(facts), facts.y, Categories(tuple(map(str, facts.classes)))
    for place, name in enumerate(facts.names):
        found = facts.categories.get(name)
        if facts.is_date(name):
            found = HashedCategories()
        yield name, facts.x[:, place], found


def _target(facts: Facts) -> str:
    """The name of the label, if the hyperparameter ``target`` gives one."""
    name = str(facts.hyperparameters.get("target", ""))
    name = "target" if not name or name.isdigit() else name
    return name if name not in facts.names else f"{name}_label"


def _kind(values: NDArray[Any], categories: Categories | None) -> str:
    known = values[~np.isnan(values)]
    if not known.size:
        return "Unknown"
    if categories is not None:
        return "String"
    return "Integral" if bool((known == np.floor(known)).all()) else "Fractional"


def _statistics(
    name: str, values: NDArray[Any], categories: Categories | None, n_kept: int
) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    common = {"num_present": len(known), "num_missing": len(values) - len(known)}
    kind = _kind(values, categories)
    found: dict[str, Any] = {"name": name, "inferred_type": kind}
    if kind in {"String", "Unknown"}:
        return {
            **found,
            "string_statistics": {"common": common, **_categorical(known, categories)},
        }
    return {**found, "numerical_statistics": {"common": common, **_numerical(known, n_kept)}}


def _categorical(known: NDArray[Any], categories: Categories | None) -> dict[str, Any]:
    found = categories.most_common(known, _MOST_CATEGORIES) if categories else []
    buckets = [{"value": name, "count": count} for name, count in found]
    return {
        "distinct_count": len(np.unique(known)),
        "distribution": {"categorical": {"buckets": buckets}},
    }


def _numerical(known: NDArray[Any], n_kept: int) -> dict[str, Any]:
    low, high = float(known.min()), float(known.max())
    with np.errstate(over="ignore", invalid="ignore"):
        total, deviation = float(known.sum(dtype=np.float64)), float(known.std(dtype=np.float64))
    shares = [i / _N_BUCKETS for i in range(_N_BUCKETS)]
    ends = [low * (1 - share) + high * share for share in shares]
    buckets = [
        {"lower_bound": start, "upper_bound": end, "count": count}
        for start, end, count in zip(
            ends, [*ends[1:], high], bin_counts(known, _N_BUCKETS).tolist(), strict=True
        )
    ]
    if low == high:
        buckets = [{"lower_bound": low, "upper_bound": high, "count": len(known)}]
    sketch = {"parameters": {"c": _SHRINKING, "k": n_kept}, "data": _sketch(known, n_kept)}
    return {
        "mean": _finite(total / len(known)),
        "sum": _finite(total),
        "std_dev": _finite(deviation),
        "min": low,
        "max": high,
        "distribution": {"kll": {"buckets": buckets, "sketch": sketch}},
    }


def _sketch(known: NDArray[Any], n_kept: int) -> list[list[float]]:
    """The compactors of a KLL sketch: an item of the i-th one stands for 2**i values.

    The last one holds evenly spaced quantiles; the others hold the median for the remainder.
    """
    level = max(0, math.ceil(math.log2(len(known) / n_kept)))
    ordered = np.sort(known[rows_of(len(known), _SAMPLE)]).astype(np.float64)
    n_items = len(known) >> level
    places = (np.arange(n_items) * 2 + 1) * len(ordered) // (2 * n_items)
    rest, median = len(known) - (n_items << level), float(ordered[len(ordered) // 2])
    below = [[median] if rest >> i & 1 else [] for i in range(level)]
    return [*below, ordered[places].tolist()]


def _constraints(name: str, values: NDArray[Any], categories: Categories | None) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    kind = _kind(values, categories)
    found: dict[str, Any] = {
        "name": name,
        "inferred_type": kind,
        "completeness": len(known) / len(values),
    }
    if kind in {"Integral", "Fractional"}:
        found["num_constraints"] = {"is_non_negative": bool(known.min() >= 0)}
    elif categories is not None and kind == "String" and categories.n_codes <= _MOST_DOMAIN:
        found["string_constraints"] = {"domains": list(categories.names)}
    return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, allow_nan=False, indent=1) + "\n"
