"""The command ``forest train``, for people: the job of ``train`` on files wherever they are."""

import os
import shlex
import signal
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from mlserver_forest.errors import ForestError, InvalidData, JobError
from mlserver_forest.training.cli import train as train_for_sagemaker
from mlserver_forest.training.config import Channel, TrainingConfig
from mlserver_forest.training.fitting.stopping import Stop
from mlserver_forest.training.job_process import (
    INTERNAL_ERROR,
    describe_killed,
    importing,
    run_job,
    watch_child,
)
from mlserver_forest.training.option_words import OPTIONS, command_line, in_options

_OUT = Path("ml")
_INTERRUPTED = 128 + signal.SIGINT
_STOPPING = "stopping after this step; the model so far is saved. Press Ctrl-C again to end at once"


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--target", "-t", help="The column to predict: its name, or its position from 0.")
@click.option(
    "--algorithm",
    "-a",
    help="The algorithm, several with commas between them, or all: the best on the same folds is "
    "trained.  [default: random_forest]",
)
@click.option("--ignore", multiple=True, metavar="COLUMN", help="A column to leave out; repeat it.")
@click.option(
    "--interval",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Also learn intervals that hold this share of new rows' targets, such as 0.9.",
)
@click.option(
    "--validation",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="A file or folder to evaluate on; without it, a fifth of the rows is held out.",
)
@click.option(
    "--test",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="A file or folder to evaluate on when all is done.",
)
@click.option(
    "-p",
    "hyperparameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A hyperparameter, such as n_estimators=200; `forest hyperparameters` lists them.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=_OUT,
    show_default=True,
    help="The folder for model/, output/data/report.html and checkpoints/.",
)
@click.option("--name", help="The model's name in V2.  [default: the first file's name]")
@click.option("--content-type", help="The media type of the files, if their names do not say it.")
@click.option(
    "--check", is_flag=True, help="Say how each column is taken; train and write nothing."
)
@click.option(
    "--base-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Without FILES: run the job of a folder laid out like /opt/ml, as `train` does.",
)
@click.pass_context
def train(
    context: click.Context,
    /,
    files: tuple[Path, ...],
    base_dir: Path | None,
    check: bool,
    **options: Any,
) -> None:
    """Train a model on FILES: tables of one format, or folders of them.

    Without FILES, it is the command `train`: a job that is laid out as SageMaker does.
    """
    if not files:
        _require_no_options(context)
        context.invoke(train_for_sagemaker, base_dir=base_dir, check=check)
        return
    if base_dir is not None:
        raise click.UsageError("--base-dir is for a job without FILES; --out takes the results")
    job = _Job(files, check, options, _pairs(options.pop("hyperparameters")))
    watch_child(lambda: _run_until_the_end(job), _say_killed)


def _require_no_options(context: click.Context) -> None:
    for parameter in context.command.params:
        name = parameter.name or ""
        is_given = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if is_given and name not in {"base_dir", "check"}:
            raise click.UsageError(
                f"{parameter.opts[0]} is for FILES, and none are given: forest train FILES..."
            )


def _pairs(given: Sequence[str]) -> Mapping[str, str]:
    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.UsageError(f"-p {text!r} is not NAME=VALUE, such as -p n_estimators=200")
        if name.strip() in pairs:
            raise click.UsageError(f"-p {name.strip()} is given twice; remove one")
        pairs[name.strip()] = value
    for name in pairs.keys() & OPTIONS.keys():
        raise click.UsageError(f"-p {name}=... has an option of its own; use {OPTIONS[name]}")
    return pairs


@dataclass(frozen=True, eq=False)
class _Job:
    """What the command asks for.

    Attributes:
        files: to learn from.
        is_check: whether nothing is trained.
        options: by name, the values of the other options.
        hyperparameters: of ``-p``.
    """

    files: Sequence[Path]
    is_check: bool
    options: Mapping[str, Any]
    hyperparameters: Mapping[str, str]

    def run(self, stop: Stop) -> int:
        """The exit code: 0; 1 if the user can correct the fault; 2 for a fault of this package."""
        from mlserver_forest.training.local_training import run_locally
        from mlserver_forest.training.tracked_job import run_tracked

        try:
            config = self._config()
            if self.is_check:
                with importing():
                    from mlserver_forest.training.check import check
                check(config, _say)
                return 0
            run_tracked(config, _say, partial(run_locally, config, _say, stop))
            self._say_where(config)
        except (ForestError, OSError) as error:
            self._say_error(error)
            return error.exit_code if isinstance(error, ForestError) else 1
        except Exception:  # noqa: BLE001  # the command's last line of defence
            click.echo(traceback.format_exc(), err=True)
            return INTERNAL_ERROR
        return 0

    def _config(self) -> TrainingConfig:
        from mlserver_forest.training.local_training import local_config, settings

        options = self.options
        target = options["target"]
        if target is None:
            raise InvalidData(_missing_target(self.files, options["content_type"]))
        named = (options["algorithm"], options["ignore"], options["interval"])
        return local_config(
            self.files,
            out=options["out"],
            hyperparameters=settings(_column(target), *named, self.hyperparameters),
            validation=options["validation"],
            test=options["test"],
            name=options["name"],
            content_type=options["content_type"],
        )

    def _say_where(self, config: TrainingConfig) -> None:
        report = config.output_data_dir / "report.html"
        if report.exists():
            click.echo(f"the report is {_shown(report)}")
        click.echo(f"try the model: forest open {shlex.quote(_shown(config.model_dir))}")

    def _say_error(self, error: Exception) -> None:
        for note in error.notes if isinstance(error, JobError) else ():
            _say(note)
        click.echo(in_options(f"forest train: {error}"), err=True)
        if isinstance(error, JobError) and error.settings:
            line = command_line(self._arguments(), self.hyperparameters, error.settings)
            click.echo(f"\nThis decides it, most likely as you mean it:\n\n  {line}", err=True)

    def _arguments(self) -> list[str]:
        """The command's arguments but for hyperparameters, to be typed again."""
        words = [str(path) for path in self.files]
        for name, value in self.options.items():
            for each in value if isinstance(value, tuple) else (value,):
                if each is not None and (name, each) != ("out", _OUT):
                    words += [f"--{name.replace('_', '-')}", str(each)]
        return words


def _column(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


def _missing_target(files: Sequence[Path], content_type: str | None) -> str:
    from mlserver_forest.training.data.channels import column_names

    names = column_names(Channel("training", files[0], content_type, paths=tuple(files)))
    if names is None:
        return "which column is to be predicted? Give its position: --target 0 is the first"
    listed = ", ".join(map(shlex.quote, names))
    return f"which column is to be predicted? Give --target one of: {listed}"


def _say(line: str) -> None:
    click.echo(in_options(line))


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _run_until_the_end(job: _Job) -> NoReturn:
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: _stop(stop))
    run_job(lambda: job.run(stop))


def _stop(stop: Stop) -> None:
    """The first Ctrl-C lets the step end and keeps the model so far; the second one ends."""
    if stop.is_requested:
        os._exit(_INTERRUPTED)
    stop.request()
    click.echo(_STOPPING, err=True)


def _say_killed(number: int) -> int:
    click.echo(f"forest train: {describe_killed(number)}", err=True)
    return 128 + number
