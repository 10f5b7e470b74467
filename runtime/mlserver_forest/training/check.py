"""``train --check``: how each column of a job's data would be taken, without training."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import count, format_value
from mlserver_forest.training.algorithms.hyperparameters import parse
from mlserver_forest.training.config import VALIDATION_CHANNEL, TrainingConfig
from mlserver_forest.training.data.job_data import Data, read_data
from mlserver_forest.training.data.table import Table
from mlserver_forest.training.validation.label_checks import (
    require_held_out_rows,
    require_rows_to_calibrate,
)

_SAMPLES = 3
# Samples are looked for among so many rows.
_MOST_ROWS = 100_000
_MOST_CLASSES = 10


def check(config: TrainingConfig, say: Callable[[str], None]) -> None:
    """Read all channels, and say how each column is taken.

    Args:
        config: SageMaker's description of the job.
        say: is called with each line.

    Raises:
        JobError: naming what is wrong with hyperparameters or data.
    """
    chosen = parse(config.hyperparameters)
    require_held_out_rows(chosen, has_validation=config.channel(VALIDATION_CHANNEL) is not None)
    data = read_data(config, chosen)
    n_validation = None if data.validation is None else len(data.validation)
    require_rows_to_calibrate(chosen, len(data.training), n_validation)
    for line in _lines(data):
        say(line)
    say("the data can be trained on; --check trains nothing and writes nothing")


def _lines(data: Data) -> Iterator[str]:
    table = data.table
    yield (
        f"{count(len(table), 'row')} from {count(len(table.summary.files), 'file')}, "
        f"{'a header' if table.has_names else 'no header'}"
    )
    yield f"target, {table.layout.target_name}: {_target(data)}"
    for feature, name in enumerate(table.names):
        yield f"column {format_value(name)}: {_column(table, feature, name)}"
    columns, target = table.layout.columns or (), table.layout.roles.target
    ignored = [
        name for place, name in enumerate(columns) if place != target and name not in table.names
    ]
    if ignored:
        yield f"not features: {', '.join(map(format_value, ignored))}"
    for name, rows in (("validation", data.validation), ("test", data.test)):
        if rows is not None:
            yield f"channel {name}: {count(len(rows), 'row')}"
    for note in data.notes:
        yield note.line


def _target(data: Data) -> str:
    y = data.training.y
    if data.target.kind == "regression":
        return f"a regression of {len(y)} numbers from {y.min():g} to {y.max():g}"
    counts = np.bincount(y, minlength=len(data.target.classes)).tolist()
    pairs = zip(data.target.classes, counts, strict=True)
    shown = [f"{format_value(label)} ({count})" for label, count in pairs]
    more = f" and {len(shown) - _MOST_CLASSES} more" if len(shown) > _MOST_CLASSES else ""
    return f"a classification of {len(shown)} classes: {', '.join(shown[:_MOST_CLASSES])}{more}"


def _column(table: Table, feature: int, name: str) -> str:
    column = table.x[:, feature]
    present = column[~np.isnan(column)]
    if not len(present):
        return f"no value in any of {len(column)} rows"
    categories, spelling = table.categories.get(name), table.spellings.get(name)
    missing = f"{count(len(present), 'value')}, {len(column) - len(present)} missing"
    if categories is None:
        if spelling and spelling.is_date:
            samples = ", ".join(spelling.shown(value) for value in _first_different(present))
            return f"dates, {missing}, such as {samples}"
        marks = f" with {spelling.titles()}" if spelling and spelling.marks else ""
        samples = ", ".join(f"{value:g}" for value in _first_different(present))
        return f"numbers{marks}, {missing}, such as {samples}"
    kind = "true or false" if categories.is_boolean else "categories"
    known, counts = np.unique(present, return_counts=True)
    if categories.is_hashed:
        found = categories.most_common(present, _SAMPLES)
        shown = ", ".join(f"{format_value(name)} ({count})" for name, count in found)
        return f"{kind}, {missing}, {len(known)} different hashes, such as {shown}"
    shown = ", ".join(
        f"{format_value(categories.names[int(code)])} ({counts[np.searchsorted(known, code)]})"
        for code in _first_different(present)
    )
    return f"{kind}, {missing}, {len(categories.names)} different, such as {shown}"


def _first_different(values: NDArray[Any]) -> NDArray[Any]:
    """The first values that differ from each other."""
    found, first = np.unique(values[:_MOST_ROWS], return_index=True)
    return np.asarray(found[np.argsort(first)][:_SAMPLES])
