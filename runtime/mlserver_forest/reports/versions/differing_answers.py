"""How the answers of two models to the same rows differ."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.threads import KernelThreads
from mlserver_forest.evaluation.command.labeled_file import LabeledFile
from mlserver_forest.formats.registry import default, find_by_file
from mlserver_forest.model.model import Model
from mlserver_forest.reports.drift.reference import read_recent
from mlserver_forest.resources import n_cpus
from mlserver_forest.schema.output_names import PREDICT, PREDICT_PROBA


@dataclass(frozen=True)
class DifferingAnswers:
    """The differences of the answers to a sample.

    Attributes:
        n_rows: the number of rows.
        share: the share of rows whose labels differ; None for numbers.
        largest: the largest difference of a probability, or of a predicted number.
        mean: the mean of the largest difference of each row.
        row: the row with the largest difference, from 1.
        classes: the classes that only one of the models has.
    """

    n_rows: int
    share: float | None
    largest: float
    mean: float
    row: int
    classes: tuple[str, ...] = ()

    def line(self) -> str:
        """The differences as a sentence."""
        what = "probability" if self.share is not None else "prediction"
        labels = "" if self.share is None else f"{self.share:.1%} of the labels differ; "
        only = f"; only one version has the classes {', '.join(self.classes)}" * bool(self.classes)
        return (
            f"{labels}the largest difference of a {what} is {self.largest:.4g} (row {self.row}), "
            f"and the mean {self.mean:.4g}, in {self.n_rows:,} rows{only}"
        )


def find_differing_answers(
    before: Model, after: Model, sample: Path, target: str
) -> DifferingAnswers | str:
    """Let two models answer the rows of a file.

    Args:
        before: the model that is approved now; each model reads the columns that it knows.
        after: the other one.
        sample: a table with the features of both, with or without the target.
        target: the position of the target in a CSV file that does not name its columns.

    Returns:
        ``DifferingAnswers``, or a text that says why the answers cannot be compared.

    Raises:
        InvalidData: naming the row and column that a model cannot read.
    """
    kinds = [bool(one.schema.classes) for one in (before, after)]
    if kinds[0] != kinds[1]:
        words = ["classes" if one else "numbers" for one in kinds]
        return f"the approved version predicts {words[0]}, and the new one {words[1]}"
    rows = [_read(sample, one, target) for one in (before, after)]
    if kinds[0]:
        return _of_classes(before, after, rows)
    return _of_numbers(before, after, rows)


def _read(sample: Path, model: Model, target: str) -> NDArray[Any]:
    if (find_by_file(sample.name) or default()) is default():
        return read_recent(sample, model.schema, target)
    return LabeledFile(sample, model.schema, []).x


def _of_classes(before: Model, after: Model, rows: list[NDArray[Any]]) -> DifferingAnswers:
    names = [[str(one) for one in model.schema.classes] for model in (before, after)]
    both = [name for name in names[0] if name in names[1]]
    labels, tables = [], []
    for model, x, classes in zip((before, after), rows, names, strict=True):
        found = model.answer(x, [PREDICT, PREDICT_PROBA], KernelThreads(n_cpus()))
        labels.append(np.asarray(found[PREDICT][:]).astype(str).reshape(-1))
        places = [classes.index(name) for name in both]
        tables.append(np.asarray(found[PREDICT_PROBA])[:, places])
    share = float(np.mean(labels[0] != labels[1]))
    only = tuple(sorted(set(names[0]) ^ set(names[1])))
    return _differences(tables[0], tables[1], share, only)


def _of_numbers(before: Model, after: Model, rows: list[NDArray[Any]]) -> DifferingAnswers | str:
    found = [
        np.asarray(model.answer(x, [PREDICT], KernelThreads(n_cpus()))[PREDICT][:], np.float64)
        for model, x in zip((before, after), rows, strict=True)
    ]
    first, second = (values.reshape(len(values), -1) for values in found)
    if first.shape[1] != second.shape[1]:
        return f"the approved version predicts {first.shape[1]} numbers, the new {second.shape[1]}"
    return _differences(first, second, None)


def _differences(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    share: float | None,
    classes: tuple[str, ...] = (),
) -> DifferingAnswers:
    """Differences of (n_samples, n_columns) values."""
    if not first.shape[1]:
        return DifferingAnswers(len(first), share, float("nan"), float("nan"), 1, classes)
    of_rows = np.abs(first - second).max(axis=1)
    worst = int(of_rows.argmax())
    return DifferingAnswers(
        len(first), share, float(of_rows[worst]), float(of_rows.mean()), worst + 1, classes
    )
