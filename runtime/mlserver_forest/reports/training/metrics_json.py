"""metrics.json: what the page shows, for programs."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from mlserver_forest.formats.note import Note
from mlserver_forest.reports.training.columns import Column
from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.importances import Importances
from mlserver_forest.reports.training.partial_dependence import Dependences
from mlserver_forest.reports.training.plot_data import ClassificationPlots, RegressionPlots
from mlserver_forest.reports.training.results import Results

_FORMAT = 1


def document(facts: Facts, results: Results) -> str:
    """Strict JSON, in which a number that is not finite is null.

    Keys: ``format`` (1), ``model``, ``task``, ``classes``, ``hyperparameters``, ``versions``;
    ``metrics``, by set and name; ``intervals``, with ``coverage`` by set, or null;
    ``decision``, with metrics ``before`` and ``after``, or null;
    ``warnings``, each with ``title`` and ``text``;
    ``notes``, each with ``channel``, ``column``, ``text`` and ``setting``;
    ``importances``, with ``features`` by name, and ``parts`` of those from which columns are
    derived; ``segments``, the worst of them first, or null; ``partial_dependence``, with
    ``features`` by name; ``leaderboard``, or null; ``data``, with ``columns`` by name;
    ``learning_curve``, a list by ``n_trees``; ``plots``, the numbers behind the plots of the
    set that they name, or null.
    """
    whole = {
        "format": _FORMAT,
        "model": facts.model,
        "task": facts.kind,
        "classes": list(facts.classes),
        "hyperparameters": dict(facts.hyperparameters),
        "versions": dict(facts.versions),
        "metrics": {prefix: dict(found) for prefix, found in facts.metrics.items()},
        "intervals": _intervals(facts),
        "decision": _decision(facts),
        "warnings": [asdict(finding) for finding in facts.findings],
        "notes": [_note(note) for note in facts.notes],
        "importances": _importances(results.importances, facts),
        "segments": None if results.segments is None else asdict(results.segments),
        "partial_dependence": _dependences(results.dependences, facts),
        "leaderboard": None if facts.leaderboard is None else facts.leaderboard.to_json(),
        "data": _data(facts),
        "learning_curve": [{"n_trees": n, **found} for n, found in facts.curve],
        "plots": _plots(facts, results.outcome),
    }
    return json.dumps(_plain(whole), allow_nan=False, indent=1) + "\n"


def _note(note: Note) -> dict[str, str]:
    return {
        "channel": note.channel,
        "column": note.column,
        "text": note.sentence,
        "setting": note.setting,
    }


def _intervals(facts: Facts) -> dict[str, Any] | None:
    coverage = facts.coverage
    if coverage is None:
        return None
    return {
        "output": coverage.output,
        "level": coverage.intervals.level,
        "margin": coverage.intervals.margin,
        "coverage": {prefix: asdict(found) for prefix, found in coverage.coverages.items()},
    }


def _decision(facts: Facts) -> dict[str, Any] | None:
    found = facts.decision
    if found is None:
        return None
    return {
        "calibration": found.calibration or None,
        "goal": found.goal or None,
        "positive_class": found.positive or None,
        "threshold": found.rule.threshold,
        "before": found.before,
        "after": found.after,
        "n_rows": found.n_rows,
    }


def _importances(found: Importances, facts: Facts) -> dict[str, Any]:
    impurity = [None] * len(facts.names) if found.impurity is None else found.impurity
    return {
        "rows": found.prefix,
        "n_rows": found.n_rows,
        "measure": found.measure,
        "features": {
            name: {
                "permutation": found.permutation[i],
                "permutation_deviation": found.deviation[i],
                "impurity": impurity[i],
                **_parts(facts.part_importances.get(name)),
            }
            for i, name in enumerate(facts.names)
        },
    }


def _dependences(found: Dependences, facts: Facts) -> dict[str, Any]:
    return {
        "n_rows": found.n_rows,
        "classes": [facts.classes[position] for position in found.classes],
        "features": {
            one.feature: {
                "values": list(one.labels) if one.is_categorical else one.values,
                "averages": one.averages,
            }
            for one in found.features
        },
    }


def _parts(found: Mapping[str, float] | None) -> dict[str, Any]:
    return {"parts": {name: {"impurity": value} for name, value in found.items()}} if found else {}


def _data(facts: Facts) -> dict[str, Any]:
    seen = facts.inspection
    return {
        "files": list(facts.files),
        "n_rows": facts.n_rows,
        "n_features": len(facts.names),
        "is_weighted": facts.weight is not None,
        "target": _target(facts),
        "repetitions": asdict(seen.repetitions),
        "overlaps": {prefix: asdict(found) for prefix, found in seen.overlaps.items()},
        "columns": {column.name: _column(column) for column in seen.columns},
    }


def _target(facts: Facts) -> dict[str, Any]:
    if facts.kind == "regression":
        return {"low": facts.y.min(), "mean": (facts.y / 4).mean() * 4, "high": facts.y.max()}
    counts = np.bincount(facts.y, minlength=len(facts.classes))
    return {"counts": {str(label): n for label, n in zip(facts.classes, counts, strict=True)}}


def _column(column: Column) -> dict[str, Any]:
    of_numbers, of_categories = {"low", "mean", "high", "histogram"}, {"top"}
    has_numbers = column.kind in {"number", "date"}
    left_out = {"name", "n_rows"} | (of_categories if has_numbers else of_numbers)
    return {f.name: getattr(column, f.name) for f in fields(column) if f.name not in left_out}


def _plots(
    facts: Facts, outcome: ClassificationPlots | RegressionPlots | None
) -> dict[str, Any] | None:
    if outcome is None:
        return None
    return {"rows": facts.plotted_set, **asdict(outcome, dict_factory=_named)}


def _named(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The keys of format 1 of metrics.json, which calls predictions "told"."""
    return {"told" if name == "predicted" else name: value for name, value in pairs}


def _plain(value: Any) -> Any:
    """Convert values to those of JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(found) for key, found in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(found) for found in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
