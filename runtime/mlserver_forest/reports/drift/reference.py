"""The tables of a comparison: training rows or a model's baseline, and recent rows."""

import csv
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.artifact.model_directory import FOREST_RUNTIME, load, read_settings
from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.errors import InvalidArtifact, InvalidData, InvalidInput, format_value
from mlserver_forest.formats import registry
from mlserver_forest.formats.decoding import RequestDecoder
from mlserver_forest.insight.baseline import Baseline
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.schema import Schema
from mlserver_forest.training.algorithms.hyperparameters import parse
from mlserver_forest.training.config import Channel
from mlserver_forest.training.data.channels import Columns, read_channel

# A category that no file contains: every value of an ignored column is unseen.
_LEFT_OUT = Categories(("\n",))


@dataclass(frozen=True, eq=False)
class Reference:
    """The baseline with which recent rows are compared.

    Attributes:
        baseline: the baseline of the training rows.
        schema: the features.
        predictor: what predicts rows, or None.
    """

    baseline: Baseline
    schema: Schema
    predictor: Predictor | None


def read_reference(path: Path, target: str) -> Reference:
    """Read a model directory, or the CSV file that a model learns from.

    Raises:
        InvalidArtifact: if there is no model, or if it has no baseline.
        InvalidData: naming file and line, what came and what was expected.
    """
    return _model(path) if path.is_dir() else _table(path, target)


def read_recent(path: Path, schema: Schema, target: str) -> NDArray[Any]:
    """Read a CSV file of recent rows; labels are ignored.

    Returns:
        (n, n_features) in the dtype of the schema.

    Raises:
        InvalidData: naming file, row and column, what came and what was expected.
    """
    try:
        body = path.read_bytes()
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = [name.strip() for name in next(csv.reader(file), [])]
        has_header = set(schema.feature_names) <= set(first)
        names = first if has_header else _names(first, schema, target)
        others = {name: _LEFT_OUT for name in names if name not in schema.feature_names}
        known = accepting_all(schema)
        sent = replace(known, feature_names=tuple(names), categories={**known.categories, **others})
        parameters = {"header": "present" if has_header else "absent"}
        x = RequestDecoder(sent).decode(registry.default(), body, parameters)
    except (InvalidInput, InvalidArtifact, OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidData(f"{path}: {error}") from error
    places = {name: place for place, name in enumerate(names)}
    return np.ascontiguousarray(x[:, [places[name] for name in schema.feature_names]])


def _model(path: Path) -> Reference:
    settings = read_settings(path.resolve(), trust_code=True)
    if settings["implementation"] != FOREST_RUNTIME:
        raise InvalidArtifact(
            f"{path} does not contain a forest; give the CSV file of its training rows"
        )
    model = load(path)
    if model.baseline is None:
        raise InvalidArtifact(
            f"the model in {path} has no baseline of its training rows; train it again, or give "
            "the CSV file of its training rows"
        )
    return Reference(model.baseline, model.schema, model.forest)


def _table(path: Path, target: str) -> Reference:
    columns = Columns(target=parse({"target": target}).job.target, many_categories="target")
    with tempfile.TemporaryDirectory(prefix="forest-drift-") as folder:
        (Path(folder) / (path.name.lstrip("._") or "data")).symlink_to(path.resolve())
        table = read_channel(Channel("training", Path(folder)), columns, np.dtype(np.float64))
    schema = Schema(table.names, "regression", datatype="FP64", categories=table.categories)
    return Reference(Baseline.from_rows(table.x, None, schema), schema, None)


def _names(first: Sequence[str], schema: Schema, target: str) -> list[str]:
    """The columns of a file without a header: the features, with or without a label."""
    names = list(schema.feature_names)
    if len(first) == len(names) + 1 and target.isdigit() and int(target) <= len(names):
        names.insert(int(target), "the label")
    if len(first) != len(names):
        raise InvalidInput(
            f"its first line is {format_value(','.join(first))}, which neither names the "
            "features nor "
            f"has as many values; expected {schema.describe()} values, with or without a label "
            "at --target"
        )
    return names


def accepting_all(schema: Schema) -> Schema:
    """The schema that accepts what is counted: unseen categories, and missing values."""
    categories = {
        name: replace(found, refuses_unseen=False) for name, found in schema.categories.items()
    }
    return replace(schema, categories=categories, takes_missing=True, required=frozenset())
