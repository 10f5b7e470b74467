"""``forest open``: the page of a model in the browser, on any free port."""

import sys
from pathlib import Path

import click

from mlserver_forest.errors import ForestError
from mlserver_forest.serving.cli import leave_on_signals


@click.command("open")
@click.argument(
    "model_dir",
    required=False,
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
)
@click.option("--port", type=click.IntRange(1, 65535), help="The port; by default a free one.")
@click.option("--browser/--no-browser", default=True, help="Whether to open a browser.")
def open_(model_dir: Path | None, port: int | None, browser: bool) -> None:
    """Serve the model in MODEL_DIR (/opt/ml/model) to this machine, and open its page."""
    leave_on_signals()
    try:
        from mlserver_forest.environment import LOOPBACK_HOST
        from mlserver_forest.serving.serve_locally import (
            ANY_PORT,
            local_environment,
            serve_locally,
        )

        environment = local_environment(
            model_dir, port=port or ANY_PORT, host=LOOPBACK_HOST, has_grpc=False
        )
        serve_locally(environment, opens_page=browser, shows_calls=False)
    except ForestError as error:
        click.echo(f"forest open: {error}", err=True)
        sys.exit(error.exit_code)
