"""From the options to the findings: an image is trained first, a model directory is only served."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserver_forest.doctor import training_checks
from mlserver_forest.doctor.container import inspect_image
from mlserver_forest.doctor.examination import Examination
from mlserver_forest.doctor.image import ImageTarget
from mlserver_forest.doctor.local_server import DirectoryTarget, find_serve
from mlserver_forest.doctor.rules import RULES
from mlserver_forest.doctor.sample import Sample, from_file, from_settings, from_training_data
from mlserver_forest.doctor.target import DoctorTarget
from mlserver_forest.doctor.verdicts import CheckResult, DoctorFinding, skipped
from mlserver_forest.errors import InvalidEnvironment

Notice = Callable[[str], None]

_TITLE, _OURS = "org.opencontainers.image.title", "mlserver-forest"


@dataclass(frozen=True)
class DoctorOptions:
    """The options of ``forest doctor``.

    Attributes:
        target: a model directory, or an image's name.
        body: a file with a request for /invocations, or None for a generated row.
        content_type: the media type of ``body``, or None for that of its extension.
        data: the training data, a CSV file, label first.
        channel: the channel of ``data``, or empty for those of AWS's examples, one after another.
        hyperparameters: the hyperparameters of the training job.
        variables: environment variables of the training job and the servers.
        model: a model directory that the image serves instead of training one, or None.
        left_out: the rules that are not checked.
        start_seconds: how long the first start may take.
        train_seconds: how long training may take.
        command: the command that serves a model directory, or None for the installed ``serve``.
        workspace: an empty folder, which the caller removes at the end.
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


def diagnose(options: DoctorOptions, notice: Notice) -> list[DoctorFinding]:
    """Run all checks.

    Args:
        options: what is examined, and how.
        notice: is called with what is checked next.

    Returns:
        The findings, in the order of the rules.

    Raises:
        InvalidEnvironment: if there is nothing to examine, or nothing to examine it with.
    """
    directory = Path(options.target)
    if directory.is_dir():
        findings = _of_directory(options, directory, notice)
    else:
        findings = _of_image(options, notice)
    return sorted(findings, key=lambda found: list(RULES).index(found.check))


def _of_directory(options: DoctorOptions, directory: Path, notice: Notice) -> list[DoctorFinding]:
    sample = _sample(options, directory)
    if sample is None:
        raise InvalidEnvironment(
            f"{directory}/model-settings.json describes no inputs, so there is nothing to send; "
            "give a request with --body"
        )
    command = options.command or (find_serve(),)
    target = DirectoryTarget(directory, command, options.variables, options.workspace)
    needs_image = skipped("needs an image: a model directory was trained elsewhere")
    return [*_training(needs_image, needs_image), *_examined(options, target, sample, notice)]


def _of_image(options: DoctorOptions, notice: Notice) -> list[DoctorFinding]:
    config = inspect_image(options.target)
    model, results = options.model, [skipped("left out by --model")] * 2
    if model is None:
        model, results = _trained(options, config, notice)
    trained = _training(*results)
    if model is None:
        reason = skipped(
            "not tried because train fails, so there is no model; give one with --model"
        )
        return [
            *trained,
            *(DoctorFinding(rule, reason) for rule in RULES if not rule.startswith("train")),
        ]
    sample = _sample(options, model) or from_training_data(options.data)
    target = ImageTarget(options.target, config, model, options.variables, options.workspace)
    return [*trained, *_examined(options, target, sample, notice)]


def _trained(
    options: DoctorOptions, config: Mapping[str, Any], notice: Notice
) -> tuple[Path | None, list[CheckResult]]:
    channels = (options.channel,) if options.channel else training_checks.CHANNELS
    job = training_checks.TrainingRun(
        options.target,
        options.data,
        channels[0],
        options.hyperparameters,
        options.variables,
        options.train_seconds,
        options.workspace,
    )
    notice("training")
    trained, model, job = training_checks.train_in_channels(job, channels)
    if trained.verdict == "FAIL":
        return model, [trained, skipped("not tried because train fails")]
    notice("training with a wrong hyperparameter")
    wrongly = training_checks.train_wrongly(job)
    if wrongly.verdict == "FAIL" and (config.get("Labels") or {}).get(_TITLE) != _OURS:
        wrongly = skipped(
            f"only a hint, because the image is not from this project: {wrongly.came}"
        )
    return model, [trained, wrongly]


def _training(trained: CheckResult, trained_wrongly: CheckResult) -> list[DoctorFinding]:
    return [DoctorFinding("train", trained), DoctorFinding("train-failure", trained_wrongly)]


def _sample(options: DoctorOptions, model: Path) -> Sample | None:
    if options.body is not None:
        return from_file(options.body, options.content_type)
    return from_settings(model)


def _examined(
    options: DoctorOptions, target: DoctorTarget, sample: Sample, notice: Notice
) -> list[DoctorFinding]:
    examination = Examination(target, sample, options.left_out, options.start_seconds, notice)
    return list(examination.run())
