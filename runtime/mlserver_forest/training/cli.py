"""The command ``train``, which SageMaker calls in the container."""

import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from mlserver_forest.environment import from_environ
from mlserver_forest.errors import ForestError

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
    sys.exit(train_in(base_dir))


def train_in(base_dir: Path | None) -> int:
    """Run the job in a folder laid out like /opt/ml.

    Returns:
        The exit code: 0, or 1 if the job's owner can mend the fault, or 2 if
        only this package's authors can. output/failure then says what happened.
    """
    base = base_dir
    try:
        base = base_dir or from_environ().base_dir
        failure = base / "output" / "failure"
        failure.unlink(missing_ok=True)
        from mlserver_forest.training.config import read_config
        from mlserver_forest.training.job import run

        run(read_config(base), click.echo)
    except ForestError as error:
        return _fail(base, f"ClientError: {error}", error.exit_code)
    except Exception as error:  # noqa: BLE001  # the job's last line of defence
        reason = f"AlgorithmError: {type(error).__name__}: {error}"
        return _fail(base, reason, _OUR_FAULT, traceback.format_exc())
    return 0


def _fail(base: Path | None, reason: str, exit_code: int, details: str = "") -> int:
    """Say on stderr and in output/failure why the job failed."""
    reason = " ".join(reason.split())
    first = reason
    if len(reason) >= _FAILURE_REASON:
        first = reason[: _FAILURE_REASON - 5] + " ..."
        details = f"{reason}\n{details}"
    click.echo(f"train: {reason}", err=True)
    if details:
        click.echo(details, err=True)
    if base is not None:
        failure = base / "output" / "failure"
        try:
            failure.parent.mkdir(parents=True, exist_ok=True)
            failure.write_text(f"{first}\n{details}")
        except OSError as error:
            click.echo(f"train: {failure} cannot be written: {error}", err=True)
    return exit_code


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(_TERMINATED)
