"""The command ``serve``, which SageMaker calls in the container, and a person with a directory."""

import gc
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from mlserver_forest.errors import ForestError


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlserver-forest")
@click.argument(
    "model_dir",
    required=False,
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
)
@click.option("--port", type=click.IntRange(1, 65535), help="The port of HTTP; by default 8080.")
@click.option("--host", help="The address to listen on; by default only this machine can connect.")
@click.option("--open", "opens_page", is_flag=True, help="Open the model's page in a browser.")
def serve(model_dir: Path | None, port: int | None, host: str | None, opens_page: bool) -> None:
    """Serve the model in MODEL_DIR on this machine, with a page to try it.

    Without MODEL_DIR and options, this is the command that SageMaker calls: it serves the model
    in /opt/ml/model, or in KServe's /mnt/models, with HTTP on 8080 and gRPC on 8081.

    Environment variables configure the server: SAGEMAKER_BASE_DIR (/opt/ml),
    SAGEMAKER_BIND_TO_PORT (8080), FOREST_GRPC_PORT (8081, or "off"), FOREST_HOST (127.0.0.1, but
    0.0.0.0 in the image and on SageMaker), SAGEMAKER_MULTI_MODEL (false),
    SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT, SAGEMAKER_INFERENCE_OUTPUT, MODEL_SERVER_TIMEOUT
    (60 seconds), MAX_CONTENT_LENGTH (bytes), FOREST_TRUST_CODE (false), FOREST_TRY_IT (a page
    at /; true, but off on SageMaker); docs/configuration.md lists all of them.
    """
    leave_on_signals()
    # A sixth of the CPU time of a start, which leaves a megabyte of garbage; ``Server`` enables it.
    gc.disable()
    try:
        if model_dir or port or host or opens_page:
            from mlserver_forest.serving.serve_locally import local_environment, serve_locally

            environment = local_environment(model_dir, port=port, host=host)
            serve_locally(environment, opens_page=opens_page, shows_calls=False)
        else:
            _serve_as_sagemaker_does()
    except ForestError as error:
        click.echo(f"serve: {error}", err=True)
        sys.exit(error.exit_code)


def leave_on_signals() -> None:
    """End at once on SIGTERM and SIGINT, until the server has handlers of its own.

    As process 1 of a container, Python ignores SIGTERM unless a handler is set.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)


def _serve_as_sagemaker_does() -> None:
    from mlserver_forest.environment import from_environ
    from mlserver_forest.serving.process.logs import configure_logging
    from mlserver_forest.serving.server import Server

    environment = from_environ()
    configure_logging(as_json=environment.json_logs)
    server = Server(environment)
    server.open()
    server.run()


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Exit at once: nothing has begun, and importing a C module can lose an exception."""
    os._exit(0)
