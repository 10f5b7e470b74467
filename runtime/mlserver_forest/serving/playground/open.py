"""``forest open``: the page of a model in the browser, served to this machine only."""

import signal
import sys
import webbrowser
from dataclasses import replace
from pathlib import Path

import click

from mlserver_forest.errors import ForestError
from mlserver_forest.serving.cli import leave

_LOOPBACK = "127.0.0.1"
# The kernel chooses a free port.
_ANY_PORT = 0


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
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    from mlserver_forest.environment import from_environ

    try:
        from mlserver_forest.serving.process.logs import configure_logging
        from mlserver_forest.serving.server import Server

        environment = from_environ()
        configure_logging(as_json=environment.json_logs)
        server = Server(
            replace(
                environment,
                model_uri=model_dir or environment.model_uri,
                host=_LOOPBACK,
                http_port=port or _ANY_PORT,
                grpc_port=None,
                workers=environment.workers or 1,
                shutdown_delay_seconds=0,
                multi_model=False,
                try_it=True,
            )
        )
        server.open()
        click.echo(f"{server.url} has the model's page; press Ctrl-C to stop")
        if browser and not webbrowser.open(server.url):
            click.echo("there is no browser to open it with")
        server.run()
    except ForestError as error:
        click.echo(f"forest open: {error}", err=True)
        sys.exit(error.exit_code)
