"""A model's card: what training knows of a model and predictions do not need.

It stands in model-settings.json, in MLServer's ``parameters.extra``, and nothing depends on
it: of a card that is not as it should be, what cannot be shown is left out.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

KEY = "card"

_MOST_SETS = 8
_MOST_METRICS = 16
_MOST_IMPORTANCES = 30
_LONGEST = 200
_MOST_ROWS = 1 << 53


@dataclass(frozen=True)
class Card:
    """What was trained, when, on what, and how good it is.

    Attributes:
        algorithm: such as "random_forest".
        trained: when, in UTC, such as "2026-01-31T12:00:00Z".
        n_rows: the training rows.
        metrics: by set of rows ("train", "validation", ...) and by name.
        importances: by feature, the most important first.
        measure: of the importances: "impurity", or what permuting a feature costs, "accuracy"
            or "r2".
        measured_on: the set of rows that was permuted.
    """

    algorithm: str
    trained: str
    n_rows: int
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    importances: Mapping[str, float] = field(default_factory=dict)
    measure: str = ""
    measured_on: str = ""

    def to_json(self) -> dict[str, Any]:
        """For model-settings.json; no more than is read back."""
        return asdict(read_card(asdict(self)))


def read_card(document: Any) -> Card:
    """A card from a file that anybody may have written."""
    found = document if isinstance(document, dict) else {}
    n_rows = found.get("n_rows")
    sets = _entries(found.get("metrics"), _MOST_SETS)
    return Card(
        algorithm=_text(found.get("algorithm")),
        trained=_text(found.get("trained")),
        n_rows=n_rows if type(n_rows) is int and 0 <= n_rows <= _MOST_ROWS else 0,
        metrics={name: _numbers(values, _MOST_METRICS) for name, values in sets.items()},
        importances=_numbers(found.get("importances"), _MOST_IMPORTANCES),
        measure=_text(found.get("measure")),
        measured_on=_text(found.get("measured_on")),
    )


def _numbers(found: Any, most: int) -> dict[str, float]:
    entries = _entries(found, most)
    return {name: float(value) for name, value in entries.items() if _is_number(value)}


def _entries(found: Any, most: int) -> dict[str, Any]:
    entries = list(found.items())[:most] if isinstance(found, dict) else []
    return {_text(name): value for name, value in entries}


def _is_number(value: Any) -> bool:
    return type(value) in {int, float} and abs(value) < 1e300 and math.isfinite(value)


def _text(found: Any) -> str:
    return found[:_LONGEST] if isinstance(found, str) else ""
