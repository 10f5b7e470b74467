"""The command ``serve``, which SageMaker calls in the container."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from mlserver_forest.errors import ForestError


@click.command()
def serve() -> None:
    """Serve the model in /opt/ml/model, or in KServe's /mnt/models: HTTP on 8080, gRPC on 8081.

    Environment variables configure the server: SAGEMAKER_BASE_DIR (/opt/ml),
    SAGEMAKER_BIND_TO_PORT (8080), FOREST_GRPC_PORT (8081, or "off"),
    SAGEMAKER_MULTI_MODEL (false), SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT,
    SAGEMAKER_INFERENCE_OUTPUT, MODEL_SERVER_TIMEOUT (60 seconds),
    MAX_CONTENT_LENGTH (bytes), FOREST_TRUST_PICKLE (false), FOREST_TRY_IT (a page at /;
    true, but off on SageMaker); docs/configuration.md lists all of them.
    """
    # As process 1 of a container, Python ignores SIGTERM unless a handler is set.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    from mlserver_forest.environment import from_environ

    try:
        from mlserver_forest.serving.process.logs import configure_logging
        from mlserver_forest.serving.server import Server

        environment = from_environ()
        configure_logging(as_json=environment.json_logs)
        server = Server(environment)
        server.open()
        server.run()
    except ForestError as error:
        click.echo(f"serve: {error}", err=True)
        sys.exit(error.exit_code)


def leave(number: int, frame: FrameType | None) -> NoReturn:
    """Exit at once: nothing has begun, and importing a C module can lose an exception."""
    os._exit(0)
