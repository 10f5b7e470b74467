"""The command ``forest doctor``."""

import shlex
import shutil
import signal
import sys
import tempfile
from importlib import resources
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from mlserver_forest.errors import ForestError

_COULD_NOT_RUN = 2
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def _pairs(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Split NAME=VALUE arguments."""
    for value in values:
        if not value.partition("=")[0] or "=" not in value:
            raise click.BadParameter(f"{value!r}; expected name=value")
    return {name: text for name, _, text in (value.partition("=") for value in values)}


def _rules(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> frozenset[str]:
    from mlserver_forest.doctor.rules import RULES

    for value in values:
        if value not in RULES:
            raise click.BadParameter(f"{value!r}; expected one of {', '.join(RULES)}")
    return frozenset(values)


@click.command()
@click.argument("target", metavar="IMAGE_OR_MODEL_DIR")
@click.option("--body", type=_FILE, help="A request for /invocations; one record if CSV.")
@click.option("--content-type", help="The media type of --body; by default from its extension.")
@click.option(
    "--data", type=_FILE, help="Training data: a CSV file, label first; by default iris.csv."
)
@click.option(
    "--channel",
    default="",
    help="The channel of --data; by default training, as in AWS's examples, and then train.",
)
@click.option(
    "-p",
    "--hyperparameter",
    "hyperparameters",
    multiple=True,
    callback=_pairs,
    metavar="NAME=VALUE",
    help="A hyperparameter of the training job; repeatable.",
)
@click.option(
    "-e",
    "--env",
    "variables",
    multiple=True,
    callback=_pairs,
    metavar="NAME=VALUE",
    help="An environment variable of the job and the model; repeatable.",
)
@click.option(
    "--model", type=_FOLDER, help="Serve this model directory in the image instead of training."
)
@click.option(
    "--skip",
    "left_out",
    multiple=True,
    callback=_rules,
    metavar="CHECK",
    help="A check to leave out, by its name in the table; repeatable.",
)
@click.option(
    "--start-seconds",
    type=click.FloatRange(1),
    default=480.0,
    show_default=True,
    help="How long the first start may take.",
)
@click.option(
    "--train-seconds",
    type=click.FloatRange(1),
    default=600.0,
    show_default=True,
    help="How long training may take.",
)
@click.option("--json", "is_json", is_flag=True, help="Print a JSON document.")
@click.option(
    "--serve-command",
    hidden=True,
    help="A command that serves a model directory instead of `serve`.",
)
def doctor(
    target: str,
    body: Path | None,
    content_type: str | None,
    data: Path | None,
    channel: str,
    hyperparameters: dict[str, str],
    variables: dict[str, str],
    model: Path | None,
    left_out: frozenset[str],
    start_seconds: float,
    train_seconds: float,
    is_json: bool,
    serve_command: str | None,
) -> None:
    """Replay SageMaker on this machine, and report which of its rules are kept.

    An image, of this project or any other, is trained, served, called, stopped and restricted
    by Docker; a model directory is served by the installed command `serve`. Exit code 0: no
    check failed; 1: a check failed; 2: the checks could not run.
    """  # fmt: skip
    from mlserver_forest.doctor.diagnosis import DoctorOptions, diagnose
    from mlserver_forest.doctor.findings_page import as_json, as_table

    signal.signal(signal.SIGTERM, _leave)
    carried = resources.files("mlserver_forest") / "data" / "iris.csv"
    try:
        with (
            resources.as_file(carried) as iris,
            tempfile.TemporaryDirectory(prefix="forest-doctor-") as folder,
        ):
            Path(folder).chmod(0o755)  # Another user reads it in a container.
            options = DoctorOptions(
                target=target,
                body=body,
                content_type=content_type,
                data=data or iris,
                channel=channel,
                hyperparameters=hyperparameters,
                variables=variables,
                model=model,
                left_out=left_out,
                start_seconds=start_seconds,
                train_seconds=train_seconds,
                command=tuple(shlex.split(serve_command)) if serve_command else None,
                workspace=Path(folder),
            )
            findings = diagnose(options, lambda text: click.echo(f"checking {text}", err=True))
    except (ForestError, OSError) as error:
        click.echo(f"forest doctor: the checks could not run: {error}", err=True)
        sys.exit(_COULD_NOT_RUN)
    width = shutil.get_terminal_size((140, 24)).columns
    click.echo(as_json(target, findings) if is_json else as_table(target, findings, width))
    sys.exit(any(found.result.verdict == "FAIL" for found in findings))


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Exit by an exception, so that everything that was started is stopped and removed."""
    sys.exit(128 + number)
