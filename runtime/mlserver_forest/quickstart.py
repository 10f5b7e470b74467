"""``forest quickstart``: train and serve a model from one small CSV file, in one command."""

import importlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib import resources
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from mlserver_forest.artifact.model_name import name_after
from mlserver_forest.errors import ForestError, InvalidEnvironment
from mlserver_forest.formats.registry import default
from mlserver_forest.training.cli import train_in

if TYPE_CHECKING:
    from mlserver_forest.training.config import TrainingConfig

_MADE_BY_US = ".forest-quickstart"
_IRIS = "iris.csv"


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV file, label first; by default iris.csv, which is part of the package.",
)
@click.option(
    "--base-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("forest-quickstart"),
    show_default=True,
    help="The folder for the files, laid out like SageMaker's /opt/ml.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="The port of HTTP; by default 8080.")
@click.option("--host", help="The address to listen on; by default only this machine can connect.")
@click.option("--open", "opens_page", is_flag=True, help="Open the model's page in a browser.")
def quickstart(
    data: Path | None, base_dir: Path, port: int | None, host: str | None, opens_page: bool
) -> None:
    """Train on a CSV file as SageMaker would, then serve the model and show how to call it."""
    base_dir = base_dir.resolve()
    signal.signal(signal.SIGINT, _leave)
    try:
        _lay_out(base_dir, data)
        click.echo(f"Training a random forest on {data or _IRIS}, label first.")
        _compile(_likely_jobs())
        exit_code = train_in(base_dir, adapt=partial(_for_a_person, data or Path(_IRIS)))
        if exit_code:
            sys.exit(exit_code)
        from mlserver_forest.serving.serve_locally import local_environment, serve_locally

        environment = local_environment(base_dir / "model", port=port, host=host)
        serve_locally(
            replace(environment, model_name=None), opens_page=opens_page, shows_calls=True
        )
    except (ForestError, OSError) as error:
        click.echo(f"forest quickstart: {error}", err=True)
        sys.exit(1)


def _for_a_person(data: Path, job: "TrainingConfig") -> "TrainingConfig":
    """The job that names the model after its file, keeps an earlier one, and shows a table."""
    return replace(
        job,
        model_name=name_after(data),
        keeps_earlier=True,
        has_reader=sys.stdout.isatty(),
    )


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Exit at once: nothing is half written, and importing a C module can lose an exception."""
    os._exit(128 + number)


def _lay_out(base_dir: Path, data: Path | None) -> None:
    """Write the input that SageMaker gives a container; see docs/sagemaker-contract.md, 1.2 to 1.5.

    Raises:
        InvalidEnvironment: if the folder contains files that this command did not create.
    """
    if base_dir.exists() and any(base_dir.iterdir()) and not (base_dir / _MADE_BY_US).exists():
        raise InvalidEnvironment(
            f"{base_dir} is not empty and was not created by this command; give another --base-dir"
        )
    iris = resources.files("mlserver_forest").joinpath("data", _IRIS)
    rows = (
        data or iris
    ).read_bytes()  # Read before anything is removed, because it may be in the folder.
    base_dir.mkdir(parents=True, exist_ok=True)
    (base_dir / _MADE_BY_US).touch()
    shutil.rmtree(base_dir / "input", ignore_errors=True)
    config, channel = base_dir / "input" / "config", base_dir / "input" / "data" / "training"
    for directory in (config, channel):
        directory.mkdir(parents=True)
    (channel / "data.csv").write_bytes(rows)
    files = {
        "hyperparameters": {},
        "inputdataconfig": {
            "training": {"TrainingInputMode": "File", "ContentType": default().media_type}
        },
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"]},
    }
    for name, content in files.items():
        (config / f"{name}.json").write_text(json.dumps(content, indent=2))


def _compile(jobs: Sequence[tuple[str, ...]]) -> None:
    """Compile kernels in other processes, and import what training needs meanwhile."""
    from mlserver_forest.model.compile_ahead import Compilation

    compilation = Compilation(jobs, click.echo)

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        compilation.stop()
        _leave(number, frame)

    signal.signal(signal.SIGINT, leave)
    importlib.import_module("mlserver_forest.training.job")
    importlib.import_module("sklearn.ensemble")
    compilation.wait()
    signal.signal(signal.SIGINT, _leave)


def _likely_jobs() -> Sequence[tuple[str, ...]]:
    """What the model will need: a forest of scikit-learn, whose splits are by numbers."""
    from mlserver_forest.engine.forest_kinds import ForestKind
    from mlserver_forest.model.compile_ahead import jobs_of_model

    forest = ForestKind("float32", "float64", "uint32", "numbers").smallest()
    return jobs_of_model(forest, {})
