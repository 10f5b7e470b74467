"""What a model predicts, from which columns, how good, how made, how large, what it can answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlserver_forest.artifact import model_directory
from mlserver_forest.errors import count
from mlserver_forest.evaluation.text_table import metric_table, text_table
from mlserver_forest.model.model import Model
from mlserver_forest.reports.html.number_format import number, percent, printable
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.date_spelling import DateSpelling
from mlserver_forest.schema.schema import Schema

_WIDEST = 40
_NAMED = 3
_MOST_CATEGORIES = 1_000
_KINDS = {
    "classification": "one of {n} classes",
    "regression": "a number",
    "anomaly_detection": "whether a row is an outlier (-1) or not (1)",
}


@dataclass(frozen=True, eq=False)
class ModelSummary:
    """A model with what its directory says about it.

    Attributes:
        name: on the V2 protocol.
        model: the model.
        versions: the libraries that made it, such as ``scikit-learn/1.9.1``.
        n_bytes: the size of the model's file.
    """

    name: str
    model: Model
    versions: tuple[str, ...]
    n_bytes: int

    @classmethod
    def of(cls, directory: Path) -> "ModelSummary":
        """Load and verify the model of a directory.

        Raises:
            InvalidArtifact: if there is no model, it is damaged, or it is a pickle.
        """
        model = model_directory.load(directory)
        settings = model_directory.read_settings(directory.resolve(), trust_code=False)
        n_bytes = Path(settings["parameters"]["uri"]).stat().st_size
        versions = tuple(map(str, settings.get("versions") or ()))
        return cls(str(settings["name"]), model, versions, n_bytes)

    @property
    def target(self) -> str:
        """The name of the column that is predicted, or ""."""
        return self.model.card.target_name if self.model.card else ""

    def sentence(self) -> str:
        """What the model predicts, from what."""
        schema = self.model.schema
        what = _KINDS[schema.kind].format(n=len(schema.classes))
        if self.target:
            what = f"{self.target}, {what}"
        return f"{self.name} predicts {what}, from {count(schema.n_features, 'feature')}"

    def as_json(self) -> dict[str, Any]:
        """The summary as an object for programs; ``null`` where nothing is known."""
        model, schema = self.model, self.model.schema
        return {
            "name": self.name,
            "target": self.target or None,
            "kind": schema.kind,
            "classes": list(schema.classes),
            "n_targets": schema.n_targets,
            "features": [_feature(self.model, column) for column in range(schema.n_features)],
            "ignored": list(schema.ignored),
            "takes_missing": schema.takes_missing,
            "outputs": list(model.outputs),
            "interval_level": model.calibration.level if model.calibration else None,
            "n_trees": model.forest.n_trees,
            "n_bytes": self.n_bytes,
            "versions": list(self.versions),
            "card": model.card.to_json() if model.card else None,
        }

    def lines(self) -> list[str]:
        """The summary for a terminal."""
        model, card = self.model, self.model.card
        facts = [("size", f"{count(model.forest.n_trees, 'tree')}, {self.n_bytes:,} bytes")]
        if card:
            made = f"{card.title} on {count(card.n_rows, 'row')}, {card.trained}"
            facts.insert(0, ("trained", made))
        facts += [("with", ", ".join(self.versions)), ("outputs", ", ".join(model.outputs))]
        if model.calibration:
            facts.append(("interval", f"holds {model.calibration.level:.0%} of new rows' targets"))
        if model.schema.classes:
            classes = _shortened(list(map(str, model.schema.classes)))
            facts.append(("classes", classes))
        if model.schema.ignored:
            facts.append(("left out", _shortened(model.schema.ignored)))
        lines = [self.sentence(), "", *text_table(facts, n_left=2)]
        if card and any(card.metrics.values()):
            lines += ["", *metric_table(card.metrics)]
        lines += ["", *self._features()]
        return lines + (["", *card.notes] if card and card.notes else [])

    def _features(self) -> list[str]:
        schema, card = self.model.schema, self.model.card
        importances = card.importances if card else {}
        head = ["feature", "kind", "values", "missing"]
        rows = [head + ["importance"] * bool(importances)]
        for column, name in enumerate(schema.feature_names):
            row = [printable(name, _WIDEST), *_described(self.model, column)]
            known = importances.get(name)
            rows.append(row + ["" if known is None else number(known)] * bool(importances))
        return text_table(rows, n_left=3)


def _described(model: Model, column: int) -> tuple[str, str, str]:
    """The kind of a feature, its values, and the share of missing ones in training."""
    found, schema = _feature(model, column), model.schema
    missing = found["missing_share"]
    share = "" if missing is None else percent(missing) if missing else "0"
    categories = schema.categories_by_column.get(column)
    if categories is not None:
        return "category", _names(categories), share
    spelling = schema.spellings.get(found["name"])
    written = spelling.shown if isinstance(spelling, DateSpelling) else number
    return found["kind"], " to ".join(map(written, found["range"] or ())), share


def _feature(model: Model, column: int) -> dict[str, Any]:
    schema, baseline = model.schema, model.baseline
    name = schema.feature_names[column]
    found: dict[str, Any] = {"name": name, "kind": _kind(schema, name)}
    categories = schema.categories_by_column.get(column)
    if categories is not None:
        found["n_categories"] = len(categories.names)
        found["categories"] = list(categories.names[:_MOST_CATEGORIES])
    elif baseline is not None and np.isfinite(baseline.ranges[column]).all():
        found["range"] = [float(end) for end in baseline.ranges[column]]
    else:
        found["range"] = None
    found["missing_share"] = None
    if baseline is not None:
        histograms = baseline.features
        found["missing_share"] = float(histograms.shares[histograms.starts[column]])
    return found


def _kind(schema: Schema, name: str) -> str:
    if name in schema.categories:
        return "category"
    spelling = schema.spellings.get(name)
    return "date" if spelling is not None and spelling.is_date else "number"


def _names(categories: Categories) -> str:
    """How many categories there are, and the first of them."""
    names = _shortened(categories.names)
    return f"{len(categories.names)}: {names}" if len(categories.names) > _NAMED else names


def _shortened(values: Sequence[str]) -> str:
    shown = ", ".join(printable(value, _WIDEST) for value in values[:_NAMED])
    return shown + ", ..." * (len(values) > _NAMED)
