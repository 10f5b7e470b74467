"""A model card: what training knows about a model that predictions do not need.

It is stored in model-settings.json, in MLServer's ``parameters.extra``. Nothing depends on it, so a
field that cannot be displayed is left out rather than refused.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

KEY = "card"
# As the layout of training data names a column.
_TARGET = re.compile(r"""column ['"](.*)['"]""")

_MOST_SETS = 8
_MOST_METRICS = 16
_MOST_IMPORTANCES = 30
_MOST_COLUMNS = 30
_LONGEST = 200
_MOST_NOTES, _LONGEST_NOTE = 30, 1000
_MOST_ROWS = 1 << 53  # The largest integer that JavaScript shows exactly.


@dataclass(frozen=True)
class Card:
    """The training of a model: the algorithm, the time, the data, and how good the model is.

    Attributes:
        algorithm: its name among the hyperparameters.
        trained: the time in UTC, such as "2026-01-31T12:00:00Z".
        n_rows: the number of training rows.
        metrics: the metrics by set of rows ("train", "validation", ...), then by name.
        importances: the importance of each feature, the most important first.
        measure: what the importances measure: "impurity", or the loss of "accuracy" or "r2"
            when the feature is permuted.
        measured_on: the set of rows that was permuted.
        title: the algorithm's name for a reader; cards of release 0.1.0 do not have it, and are
            read with one that is made of ``algorithm``.
        target: the column of the target, such as "column 'label'".
        target_title: its name, such as "label"; cards of release 0.1.0 do not have it.
        notes: how the data were taken where they may mean something else, a line each.
        ignored: the columns that training left out, such as those of dates.
    """

    algorithm: str
    trained: str
    n_rows: int
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    importances: Mapping[str, float] = field(default_factory=dict)
    measure: str = ""
    measured_on: str = ""
    title: str = ""
    target: str = ""
    target_title: str = ""
    notes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def target_name(self) -> str:
        """The name of the target's column; empty if it is not known, or only its position is."""
        found = _TARGET.fullmatch(self.target)
        return found[1] if found else ""

    def to_json(self) -> dict[str, Any]:
        """The card for model-settings.json, cut to what ``read_card`` accepts."""
        return asdict(read_card(asdict(self)))


def read_card(document: Any) -> Card:
    """Read a card from an untrusted document; fields that are not usable become empty."""
    found = document if isinstance(document, dict) else {}
    n_rows = found.get("n_rows")
    algorithm = _text(found.get("algorithm"))
    sets = _entries(found.get("metrics"), _MOST_SETS)
    return Card(
        algorithm=algorithm,
        trained=_text(found.get("trained")),
        n_rows=n_rows if type(n_rows) is int and 0 <= n_rows <= _MOST_ROWS else 0,
        metrics={name: _numbers(values, _MOST_METRICS) for name, values in sets.items()},
        importances=_numbers(found.get("importances"), _MOST_IMPORTANCES),
        measure=_text(found.get("measure")),
        measured_on=_text(found.get("measured_on")),
        title=_text(found.get("title")) or _title_of(algorithm),
        target=_text(found.get("target")),
        target_title=_text(found.get("target_title")),
        notes=_notes(found.get("notes")),
        ignored=_texts(found.get("ignored")),
    )


def _texts(value: Any) -> tuple[str, ...]:
    texts = value[:_MOST_COLUMNS] if isinstance(value, list | tuple) else ()
    return tuple(text for text in map(_text, texts) if text)


def _title_of(algorithm: str) -> str:
    return (algorithm[:1].upper() + algorithm[1:]).replace("_", " ")


def _numbers(found: Any, most: int) -> dict[str, float]:
    entries = _entries(found, most)
    return {name: float(value) for name, value in entries.items() if _is_number(value)}


def _entries(found: Any, most: int) -> dict[str, Any]:
    entries = list(found.items())[:most] if isinstance(found, dict) else []
    return {_text(name): value for name, value in entries}


def _is_number(value: Any) -> bool:
    return type(value) in {int, float} and abs(value) < 1e300 and math.isfinite(value)


def _notes(found: Any) -> tuple[str, ...]:
    lines = found[:_MOST_NOTES] if isinstance(found, list | tuple) else ()
    return tuple(line[:_LONGEST_NOTE] for line in lines if isinstance(line, str))


def _text(found: Any) -> str:
    return found[:_LONGEST] if isinstance(found, str) else ""
