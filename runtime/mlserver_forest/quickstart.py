"""``forest quickstart``: train and serve a model from one small CSV file, in one command."""

import json
import os
import shlex
import shutil
import signal
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from mlserver_forest.environment import from_environ
from mlserver_forest.errors import ForestError, InvalidEnvironment
from mlserver_forest.formats.registry import default
from mlserver_forest.training.cli import train_in

_MADE_BY_US = ".forest-quickstart"

_HTTP_CALLS = """
Serving on port {http_port}; press Ctrl-C to stop. Paste these calls into another terminal:

  1. as SageMaker calls it
curl -s http://localhost:{http_port}/invocations -H 'Content-Type: {media_type}' -d '{row}'

  2. V2 over REST
curl -s http://localhost:{http_port}/v2/models/{name}/infer -H 'Content-Type: application/json' \\
  -d '{{"inputs": [{{"name": "X", "shape": [1, {width}], "datatype": "FP32", "data": [{row}]}}]}}'
"""
_GRPC_CALL = """
  3. V2 over gRPC
{python} - <<'PY'
import numpy, tritonclient.grpc as v2
x = v2.InferInput("X", [1, {width}], "FP32")
x.set_data_from_numpy(numpy.array([[{row}]], "float32"))
print(v2.InferenceServerClient("localhost:{grpc_port}").infer("{name}", [x]).as_numpy("predict"))
PY
"""


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
def quickstart(data: Path | None, base_dir: Path) -> None:
    """Train on a CSV file as SageMaker would, then serve the model and show how to call it."""
    base_dir = base_dir.resolve()
    signal.signal(signal.SIGINT, _leave)
    try:
        _lay_out(base_dir, data)
        exit_code = train_in(base_dir)
        if exit_code:
            sys.exit(exit_code)
        _serve(base_dir)
    except (ForestError, OSError) as error:
        click.echo(f"forest quickstart: {error}", err=True)
        sys.exit(1)


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
    iris = resources.files("mlserver_forest").joinpath("data", "iris.csv")
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


def _serve(base_dir: Path) -> None:
    from mlserver_forest.artifact.model_directory import read_settings
    from mlserver_forest.serving.process.logs import configure_logging
    from mlserver_forest.serving.server import Server

    environment = replace(from_environ(), model_uri=base_dir / "model", model_name=None)
    configure_logging(as_json=environment.json_logs)
    server = Server(environment)
    settings = read_settings((base_dir / "model").resolve(), trust_pickle=False)
    row = _sample_row(base_dir)
    call = {
        "http_port": environment.http_port,
        "grpc_port": environment.grpc_port,
        "name": settings["name"],
        "media_type": default().media_type,
        "row": ",".join(row),
        "width": len(row),
        "python": shlex.quote(sys.executable),
    }
    click.echo(_HTTP_CALLS.format(**call), nl=False)
    click.echo(_GRPC_CALL.format(**call) if environment.grpc_port else "")
    server.open()
    server.run()


def _sample_row(base_dir: Path) -> list[str]:
    """The last row of the training data without missing values, as an example for the calls."""
    import numpy as np

    from mlserver_forest.training.config import Channel
    from mlserver_forest.training.data.channels import Columns, read_channel

    channel = Channel("training", base_dir / "input" / "data" / "training")
    table = read_channel(channel, Columns(), np.dtype(np.float32))
    whole = table.x[~np.isnan(table.x).any(axis=1)]
    row = whole[-1] if len(whole) else np.zeros(table.x.shape[1], np.float32)
    return [
        table.categories[name].names[int(value)] if name in table.categories else str(value)
        for name, value in zip(table.names, row, strict=True)
    ]
