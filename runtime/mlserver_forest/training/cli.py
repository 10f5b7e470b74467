"""The command ``train``, which SageMaker calls in the container."""

import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from mlserver_forest.environment import base_dir_from
from mlserver_forest.errors import InvalidEnvironment, JobError

# SageMaker shows the first 1,024 characters of output/failure (DescribeTrainingJob).
_FAILURE_REASON = 1024
_OUR_FAULT = 2
_TERMINATED = 128 + signal.SIGTERM


@click.command()
@click.option(
    "--base-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder laid out like /opt/ml; by default SAGEMAKER_BASE_DIR, else /opt/ml.",
)
def train(base_dir: Path | None) -> None:
    """Train a forest on the channels in /opt/ml/input and write it to /opt/ml/model."""
    # As process 1 of a container, Python ignores SIGTERM unless a handler is set.
    signal.signal(signal.SIGTERM, _leave)
    sys.exit(train_in(base_dir or base_dir_from()))


def train_in(base_dir: Path) -> int:
    """Run the job in a folder laid out like /opt/ml.

    Returns:
        The exit code: 0, or 1 if the job's owner can mend the fault, or 2 if
        only this package's authors can. output/failure then says what happened.
    """
    failure = base_dir / "output" / "failure"
    try:
        with suppress(OSError):  # Of an earlier run; where it stands, it can be written over.
            failure.unlink(missing_ok=True)
        from mlserver_forest.training.config import read_config
        from mlserver_forest.training.job import run

        run(read_config(base_dir), click.echo)
    except (JobError, InvalidEnvironment) as error:
        return _fail(failure, f"ClientError: {error}", error.exit_code)
    except Exception as error:  # noqa: BLE001  # the job's last line of defence
        reason = f"AlgorithmError: {type(error).__name__}: {error}"
        return _fail(failure, reason, _OUR_FAULT, traceback.format_exc())
    return 0


def _fail(failure: Path, reason: str, exit_code: int, details: str = "") -> int:
    """Say on stderr and in output/failure why the job failed."""
    # File names need not be UTF-8, and one line is shown.
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


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """End at once: an exception can be lost in C code, and no file is ever half written."""
    os._exit(_TERMINATED)
