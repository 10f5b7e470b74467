"""What a model artifact and the report beside it say about the training of the model."""

import json
import math
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from mlserver_forest.errors import DeploymentError
from mlserver_forest.model.card import KEY as CARD_KEY
from mlserver_forest.model.card import Card, read_card

SETTINGS, METRICS = "model-settings.json", "metrics.json"
# Model Monitor's baseline, as training writes it.
STATISTICS, CONSTRAINTS = "statistics.json", "constraints.json"
_REPORT = (METRICS, STATISTICS, CONSTRAINTS)
# Where ``train`` writes its report, seen from the model directory.
_BESIDE = Path("..", "output", "data")
_MOST_BYTES = 1 << 28
# Sets of rows, the most honest first; training rows come last, because the model has seen them.
_SETS = ("test", "validation", "oob", "cv")
_TRAINING = "train"

Say = Callable[[str], None]


@dataclass(frozen=True)
class TrainedModel:
    """A model's own description, and the report of its training.

    Attributes:
        settings: model-settings.json; empty if the artifact does not have one.
        report: metrics.json; empty if there is none.
        baseline: the paths of statistics.json and constraints.json, or None.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    baseline: tuple[Path, Path] | None = None

    @cached_property
    def card(self) -> Card:
        """The model's card; its fields are empty if there is none."""
        parameters = self.settings.get("parameters")
        extra = parameters.get("extra") if isinstance(parameters, dict) else None
        return read_card(extra.get(CARD_KEY) if isinstance(extra, dict) else None)

    @cached_property
    def metrics(self) -> dict[str, dict[str, float]]:
        """The metrics by set of rows, the most honest set first, then by name."""
        known = self.card.metrics or read_card(self.report).metrics
        found = {name: dict(values) for name, values in known.items() if values}
        order = {name: place for place, name in enumerate(_SETS)}
        last = {_TRAINING: len(order) + 1}
        names = sorted(found, key=lambda name: {**order, **last}.get(name, len(order)))
        return {name: found[name] for name in names}

    @property
    def headline(self) -> str:
        """The metric that is shown first, such as "validation:accuracy"; empty without metrics."""
        for rows, found in self.metrics.items():
            name = self.card.measure if self.card.measure in found else next(iter(found))
            return f"{rows}:{name}"
        return ""

    @property
    def classes(self) -> list[str]:
        """The classes in the order of the model's answers; empty for a regression."""
        outputs = self.settings.get("outputs")
        first = outputs[0] if isinstance(outputs, list) and outputs else {}
        parameters = first.get("parameters") if isinstance(first, dict) else {}
        found = parameters.get("classes") if isinstance(parameters, dict) else None
        return [str(one) for one in found] if isinstance(found, list) else []

    @property
    def n_features(self) -> int:
        """The number of columns that the model reads; 0 if it is not known."""
        inputs = self.settings.get("inputs")
        return len(inputs) if isinstance(inputs, list) else 0

    @property
    def versions(self) -> dict[str, str]:
        """The version of each library that made the model."""
        found = self.settings.get("versions")
        pairs = (str(one).partition("/") for one in found) if isinstance(found, list) else ()
        return {name: version for name, _, version in pairs if version}

    @property
    def hyperparameters(self) -> dict[str, str]:
        """The hyperparameters that were given to training."""
        found = self.report.get("hyperparameters")
        return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def read_trained_model(
    model: Path, report: Path | None, say: Say, beside: Path | None = None
) -> TrainedModel:
    """Read a model directory or a .tar.gz, and the report of its training.

    Args:
        model: the model directory or the archive.
        report: the folder of metrics.json, statistics.json and constraints.json; None for the model
            directory itself, or else the ``../output/data`` in which ``train`` writes them.
        say: prints a line about what is left out.
        beside: where the report of an archive may be, or None.

    Raises:
        DeploymentError: if a report was given that is another model's, or a file cannot be read.
    """
    text = _settings_of_folder(model) if model.is_dir() else _settings_of_archive(model)
    found = TrainedModel(_object(text, model / SETTINGS) if text else {})
    around = [model, model / _BESIDE] if model.is_dir() else [beside] if beside else []
    for folder in [report] if report else around:
        if not any((folder / name).is_file() for name in _REPORT):
            continue
        whole = _with_report(found, folder)
        if not whole.report or _is_of(whole.report, found.card, is_given=report is not None):
            return whole
        _refuse(folder, say, is_given=report is not None)
    if report and not any((report / name).is_file() for name in _REPORT):
        raise DeploymentError(f"--report {report}: expected a folder with {' or '.join(_REPORT)}")
    return found


def _with_report(found: TrainedModel, folder: Path) -> TrainedModel:
    metrics = folder / METRICS
    baseline = (folder / STATISTICS, folder / CONSTRAINTS)
    return TrainedModel(
        found.settings,
        _object(metrics.read_bytes(), metrics) if metrics.is_file() else {},
        baseline if all(path.is_file() for path in baseline) else None,
    )


def _refuse(folder: Path, say: Say, *, is_given: bool) -> None:
    reason = (
        f"{folder / METRICS} is of another model: its metrics are not those of the model's card"
    )
    if is_given:
        raise DeploymentError(f"--report: {reason}; give the folder of this model's report")
    say(f"{reason}, and it is left out; --report FOLDER names the model's own")


def _is_of(report: Mapping[str, Any], card: Card, *, is_given: bool) -> bool:
    """Whether the metrics that both have are the same; a model without any takes what is given."""
    theirs = report.get("metrics")
    if not isinstance(theirs, dict):
        return False
    if not card.metrics:
        return is_given
    return all(
        math.isclose(value, theirs[rows][name], rel_tol=1e-9)
        for rows, found in card.metrics.items()
        if isinstance(theirs.get(rows), dict)
        for name, value in found.items()
        if isinstance(theirs[rows].get(name), int | float)
    )


def _settings_of_folder(folder: Path) -> bytes:
    path = folder / SETTINGS
    return path.read_bytes() if path.is_file() else b""


def _settings_of_archive(archive: Path) -> bytes:
    try:
        with tarfile.open(archive, "r:gz") as members:
            for one in members:
                is_found = PurePosixPath(one.name).as_posix().lstrip("/") == SETTINGS
                if is_found and one.isfile() and one.size <= _MOST_BYTES:
                    file = members.extractfile(one)
                    return file.read() if file else b""
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise DeploymentError(f"{archive} is not a .tar.gz ({error})") from error
    return b""


def _object(text: bytes, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DeploymentError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise DeploymentError(f"{path} holds a {type(found).__name__}; expected a JSON object")
    return found
