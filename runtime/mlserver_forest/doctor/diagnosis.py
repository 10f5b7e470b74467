"""From what the caller wishes to the findings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserver_forest.doctor import training_checks
from mlserver_forest.doctor.check_results import Finding, Outcome, skipped
from mlserver_forest.doctor.docker_engine import inspect_image
from mlserver_forest.doctor.examination import Examination
from mlserver_forest.doctor.image import Image
from mlserver_forest.doctor.local_server import ModelDirectory, find_serve
from mlserver_forest.doctor.rules import RULES
from mlserver_forest.doctor.sample import Sample, from_file, from_settings, from_training_data
from mlserver_forest.doctor.target import Patient
from mlserver_forest.errors import InvalidEnvironment

Notice = Callable[[str], None]

_TITLE, _OURS = "org.opencontainers.image.title", "mlserver-forest"


@dataclass(frozen=True)
class Wishes:
    """What is to be examined, and how.

    Attributes:
        model: a model directory that the image serves, in place of one that it trains.
        command: what serves a model directory, or None for the installed ``serve``.
        workspace: an empty folder that is removed in the end.
    """

    target: str
    body: Path | None
    content_type: str | None
    data: Path
    channel: str
    hyperparameters: Mapping[str, str]
    variables: Mapping[str, str]
    model: Path | None
    left_out: frozenset[str]
    start_seconds: float
    train_seconds: float
    command: tuple[str, ...] | None
    workspace: Path


def consult(wishes: Wishes, notice: Notice) -> list[Finding]:
    """All findings, in the order of the rules.

    Raises:
        InvalidEnvironment: if there is nothing to look at, or nothing to look with.
    """
    directory = Path(wishes.target)
    if directory.is_dir():
        findings = _of_directory(wishes, directory, notice)
    else:
        findings = _of_image(wishes, notice)
    return sorted(findings, key=lambda found: list(RULES).index(found.check))


def _of_directory(wishes: Wishes, directory: Path, notice: Notice) -> list[Finding]:
    sample = _sample(wishes, directory)
    if sample is None:
        raise InvalidEnvironment(
            f"{directory}/model-settings.json describes no inputs, so there is nothing to send; "
            "give a request by --body"
        )
    command = wishes.command or (find_serve(),)
    patient = ModelDirectory(directory, command, wishes.variables, wishes.workspace)
    needs_image = skipped("needs an image: a model directory was trained elsewhere")
    return [*_training(needs_image, needs_image), *_examined(wishes, patient, sample, notice)]


def _of_image(wishes: Wishes, notice: Notice) -> list[Finding]:
    config = inspect_image(wishes.target)
    model, outcomes = wishes.model, [skipped("left out by --model")] * 2
    if model is None:
        model, outcomes = _trained(wishes, config, notice)
    trained = _training(*outcomes)
    if model is None:
        reason = skipped("not tried: there is no model; give one by --model")
        return [
            *trained,
            *(Finding(rule, reason) for rule in RULES if not rule.startswith("train")),
        ]
    sample = _sample(wishes, model) or from_training_data(wishes.data)
    patient = Image(wishes.target, config, model, wishes.variables, wishes.workspace)
    return [*trained, *_examined(wishes, patient, sample, notice)]


def _trained(
    wishes: Wishes, config: Mapping[str, Any], notice: Notice
) -> tuple[Path | None, list[Outcome]]:
    job = training_checks.Job(
        wishes.target,
        wishes.data,
        wishes.channel,
        wishes.hyperparameters,
        wishes.variables,
        wishes.train_seconds,
        wishes.workspace,
    )
    notice("training")
    trained, model = training_checks.train(job)
    if trained.verdict == "FAIL":
        return model, [trained, skipped("not tried: it fails with right hyperparameters, too")]
    notice("training with a wrong hyperparameter")
    wrongly = training_checks.train_wrongly(job)
    if wrongly.verdict == "FAIL" and (config.get("Labels") or {}).get(_TITLE) != _OURS:
        wrongly = skipped(f"a hint only, for an image that is not ours: {wrongly.came}")
    return model, [trained, wrongly]


def _training(trained: Outcome, trained_wrongly: Outcome) -> list[Finding]:
    return [Finding("train", trained), Finding("train-failure", trained_wrongly)]


def _sample(wishes: Wishes, model: Path) -> Sample | None:
    if wishes.body is not None:
        return from_file(wishes.body, wishes.content_type)
    return from_settings(model)


def _examined(wishes: Wishes, patient: Patient, sample: Sample, notice: Notice) -> list[Finding]:
    examination = Examination(patient, sample, wishes.left_out, wishes.start_seconds, notice)
    return list(examination.run())
