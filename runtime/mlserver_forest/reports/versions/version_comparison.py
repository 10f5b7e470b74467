"""Two versions of a model, side by side; what cannot be compared is said."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlserver_forest.artifact.model_directory import load
from mlserver_forest.errors import ForestError
from mlserver_forest.model.compile_ahead import preparing
from mlserver_forest.model.model import Model
from mlserver_forest.reports.versions.differing_answers import (
    DifferingAnswers,
    find_differing_answers,
)
from mlserver_forest.reports.versions.training_drift import TrainingDrift, find_training_drift

_SHOWN = 5


@dataclass(frozen=True)
class VersionComparison:
    """What two model directories tell about the difference of the models in them.

    Attributes:
        drift: the drift of the training rows, or why it is not known.
        answers: the differences of the answers to the sample, why they are not known, or None
            without a sample.
    """

    drift: TrainingDrift | str
    answers: DifferingAnswers | str | None

    def lines(self) -> list[str]:
        """The comparison for a terminal."""
        lines = _drift_lines(self.drift)
        if isinstance(self.answers, DifferingAnswers):
            lines.append(f"answers: {self.answers.line()}")
        elif self.answers is not None:
            lines.append(f"answers cannot be compared: {self.answers}")
        return lines

    def as_json(self) -> dict[str, Any]:
        """The comparison for programs; a text where something cannot be compared."""
        answers = self.answers
        return {
            "training_drift": self.drift if isinstance(self.drift, str) else asdict(self.drift),
            "answers": asdict(answers) if isinstance(answers, DifferingAnswers) else answers,
        }


def compare_versions(
    before: Path, after: Path, sample: Path | None, target: str
) -> VersionComparison:
    """Compare the models of two model directories.

    Args:
        before: the directory of the version that is approved now.
        after: the directory of the other one.
        sample: a table of rows that both answer, or None.
        target: as in ``find_differing_answers``.
    """
    models = [_loaded(before), _loaded(after)]
    broken = next((one for one in models if isinstance(one, str)), None)
    if broken is not None:
        return VersionComparison(broken, broken if sample else None)
    first, second = (one for one in models if isinstance(one, Model))
    answers = _answers(first, second, sample, target) if sample else None
    return VersionComparison(find_training_drift(first, second), answers)


def _loaded(folder: Path) -> Model | str:
    try:
        return load(folder, preparing(explains=False))
    except ForestError as error:
        return str(error).replace(f"{folder}", "the artifact")


def _answers(first: Model, second: Model, sample: Path, target: str) -> DifferingAnswers | str:
    try:
        return find_differing_answers(first, second, sample, target)
    except ForestError as error:
        return str(error)


def _drift_lines(drift: TrainingDrift | str) -> list[str]:
    if isinstance(drift, str):
        return [f"drift of the training data cannot be compared: {drift}"]
    n_stable = sum(one.reading == "stable" for one in drift.columns)
    head = f"training rows: {drift.n_before:,} -> {drift.n_after:,}"
    lines = [f"{head}; drift: {n_stable} of {len(drift.columns)} columns are stable"]
    drifted = [one for one in drift.columns if one.reading != "stable"]
    lines += [f"  {one.name}: PSI {one.psi:.3f} ({one.reading})" for one in drifted[:_SHOWN]]
    if len(drifted) > _SHOWN:
        lines.append(f"  and {len(drifted) - _SHOWN} more (--json lists all)")
    for word, names in (("new", drift.added), ("gone", drift.removed)):
        if names:
            more = " ..." if len(names) > _SHOWN else ""
            lines.append(f"  {word} features: {', '.join(names[:_SHOWN])}{more}")
    return [*lines, *(f"  not compared: {one}" for one in drift.not_compared)]
