"""The command ``train``, which SageMaker calls in the container."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from mlserver_forest.environment import base_dir_from, only_serves
from mlserver_forest.errors import ForestError, InvalidEnvironment, JobError
from mlserver_forest.training.fitting.stopping import SECONDS_TO_STOP, Stop
from mlserver_forest.training.job_process import (
    INTERNAL_ERROR,
    describe_killed,
    importing,
    run_job,
    watch_child,
)

if TYPE_CHECKING:
    from mlserver_forest.training.config import TrainingConfig

# SageMaker shows the first 1,024 characters of output/failure (DescribeTrainingJob).
_FAILURE_REASON = 1024
_TERMINATED = 128 + signal.SIGTERM
_NO_TRAINING = (
    "this image only serves (it was built with --target serve); train with the full image, "
    "which forest push and docker build -f container/Dockerfile make without a target"
)
_NO_MODEL = (
    "stopped by SIGTERM before there was a model; nothing was written to the model's folder. "
    "Start the job again: it continues from its checkpoints, if there are any"
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlserver-forest")
@click.option(
    "--base-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder laid out like /opt/ml; the default is SAGEMAKER_BASE_DIR, or else /opt/ml.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Read the data and say how each column is taken; train and write nothing.",
)
def train(base_dir: Path | None, check: bool) -> None:
    """Train a forest on the channels in /opt/ml/input and write it to /opt/ml/model."""
    directory = base_dir or base_dir_from()
    if only_serves():
        sys.exit(_fail(_failure(directory), f"ClientError: {_NO_TRAINING}", 1))
    if check:
        sys.exit(check_in(directory))
    watch_child(lambda: _train_until_the_end(directory), lambda how: _fail_killed(directory, how))


def _train_until_the_end(directory: Path) -> NoReturn:
    stop = Stop()
    _stop_on_sigterm(stop, directory)
    run_job(lambda: train_in(directory, stop, is_tracked=True))


def train_in(
    base_dir: Path,
    stop: Stop | None = None,
    adapt: "Callable[[TrainingConfig], TrainingConfig] | None" = None,
    *,
    is_tracked: bool = False,
) -> int:
    """Run the job in a folder laid out like /opt/ml.

    Args:
        base_dir: the folder.
        stop: carries a request to stop the job; None for a new one.
        adapt: changes what the folder says about the job.
        is_tracked: whether the training is logged to MLflow if its variable is set.

    Returns:
        The exit code: 0; 1 for an error that the job's owner can correct; 2 for an error in this
        package. output/failure then says what happened.
    """
    failure = _failure(base_dir)
    try:
        with suppress(OSError):  # If an earlier run's file cannot be removed, it is overwritten.
            failure.unlink(missing_ok=True)
        with importing():
            from mlserver_forest.training.config import read_config
            from mlserver_forest.training.job import run
            from mlserver_forest.training.tracked_job import run_tracked

        config = read_config(base_dir)
        config = adapt(config) if adapt else config
        train = partial(run, config, click.echo, stop or Stop())
        if is_tracked:
            run_tracked(config, click.echo, train)
        else:
            train()
        with suppress(OSError):  # A job that was refused because of this one may have written it.
            failure.unlink(missing_ok=True)
    except (JobError, InvalidEnvironment) as error:
        _say_notes(error)
        return _fail(failure, f"ClientError: {error}", error.exit_code)
    except Exception as error:  # noqa: BLE001  # the job's last line of defence
        reason = f"AlgorithmError: {type(error).__name__}: {error}"
        return _fail(failure, reason, INTERNAL_ERROR, traceback.format_exc())
    return 0


def check_in(base_dir: Path) -> int:
    """Check the data of a job in a folder laid out like /opt/ml.

    Returns:
        The exit code: 0; 1 for an error that the job's owner can correct; 2 for an error in this
        package.
    """
    with importing():
        from mlserver_forest.training.check import check
        from mlserver_forest.training.config import read_config

    try:
        check(read_config(base_dir), click.echo)
    except (JobError, InvalidEnvironment) as error:
        _say_notes(error)
        click.echo(f"train: {error}", err=True)
        return error.exit_code
    except Exception:  # noqa: BLE001  # the command's last line of defence
        click.echo(traceback.format_exc(), err=True)
        return INTERNAL_ERROR
    return 0


def _say_notes(error: ForestError) -> None:
    """Say what was found out about the data before an error, which may be the reason for it."""
    for line in error.notes if isinstance(error, JobError) else ():
        click.echo(line)


def _fail_killed(base_dir: Path, number: int) -> int:
    return _fail(_failure(base_dir), f"AlgorithmError: {describe_killed(number)}", 128 + number)


def _failure(base_dir: Path) -> Path:
    return base_dir / "output" / "failure"


def _fail(failure: Path, reason: str, exit_code: int, details: str = "") -> int:
    """Write to stderr and to output/failure why the job failed."""
    # File names may not be valid UTF-8, and SageMaker shows one line.
    reason = " ".join(reason.encode("utf-8", "backslashreplace").decode().split())
    first = reason
    if len(reason) >= _FAILURE_REASON:
        first = reason[: _FAILURE_REASON - 5] + " ..."
        details = f"{reason}\n{details}"
    click.echo(f"train: {reason}", err=True)
    if details:
        click.echo(details, err=True)
    try:
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(f"{first}\n{details}")
    except OSError as error:
        click.echo(f"train: {failure} cannot be written: {error}", err=True)
    return exit_code


def _stop_on_sigterm(stop: Stop, base_dir: Path) -> None:
    """Stop the job on SIGTERM, and end the process if there is no model in time.

    As process 1 of a container, Python ignores SIGTERM unless a handler is set.
    """

    def give_up() -> None:
        if not stop.has_a_model:
            os._exit(_fail(_failure(base_dir), f"ClientError: {_NO_MODEL}", _TERMINATED))

    def handle(number: int, frame: object) -> None:
        if not stop.is_requested:
            stop.request()
            timer = threading.Timer(SECONDS_TO_STOP, give_up)
            timer.daemon = True
            timer.start()

    signal.signal(signal.SIGTERM, handle)
