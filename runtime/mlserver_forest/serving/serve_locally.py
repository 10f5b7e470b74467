"""A model directory, served to the person at this machine: its page, its report, and its calls."""

import sys
import webbrowser
from dataclasses import replace
from pathlib import Path

import click

from mlserver_forest.environment import LOOPBACK_HOST, Environment, from_environ
from mlserver_forest.errors import InvalidEnvironment
from mlserver_forest.serving.playground import calls
from mlserver_forest.serving.process.logs import configure_logging
from mlserver_forest.serving.server import Server

# The kernel chooses a free port.
ANY_PORT = 0


def local_environment(
    model_dir: Path | None,
    *,
    port: int | None = None,
    host: str | None = None,
    has_grpc: bool = True,
) -> Environment:
    """The settings of a server for one person.

    Args:
        model_dir: the model directory; None for that of the environment.
        port: of HTTP; None for that of the environment, ``ANY_PORT`` for a free one.
        host: the address to listen on; None for that of the environment.
        has_grpc: whether to serve gRPC, if the environment has a port for it.

    Raises:
        InvalidEnvironment: if a variable has an impossible value, or asks for several models.
    """
    environment = from_environ()
    if environment.multi_model:
        raise InvalidEnvironment(
            "SAGEMAKER_MULTI_MODEL is true, but this command serves one model; run `serve` without "
            "a folder and options (SAGEMAKER_BIND_TO_PORT and FOREST_HOST are its address), or "
            "unset the variable"
        )
    return replace(
        environment,
        model_uri=model_dir or environment.model_uri,
        host=host or environment.host,
        http_port=environment.http_port if port is None else port,
        grpc_port=environment.grpc_port if has_grpc else None,
        workers=environment.workers or 1,
        shutdown_delay_seconds=0,
        try_it=True,
    )


def serve_locally(environment: Environment, *, opens_page: bool, shows_calls: bool) -> None:
    """Serve a model until Ctrl-C, and say where once it answers.

    Args:
        environment: from ``local_environment``.
        opens_page: whether to open a browser.
        shows_calls: whether to print how to call the server.

    Raises:
        InvalidArtifact: if the model must not be served.
        InvalidEnvironment: if a port is taken or a variable has an impossible value.
    """
    configure_logging(as_json=environment.json_logs)
    server = Server(
        environment, lambda: click.echo(_announcement(server, environment, shows_calls))
    )
    server.open()
    if opens_page and not webbrowser.open(server.url):
        click.echo("there is no browser to open the page with")
    server.run()


def _announcement(server: Server, environment: Environment, shows_calls: bool) -> str:
    report = server.report_url
    lines = [f"The model's page:  {server.url}"]
    lines += [f"Its report:        {report}"] if report else []
    if environment.host == LOOPBACK_HOST:
        lines.append("Only this machine can connect; --host 0.0.0.0 lets others connect.")
    if shows_calls:
        lines += ["Paste these calls into another terminal:", "", *_calls(server, environment)]
    return "\n".join([*lines, "Press Ctrl-C to stop."])


def _calls(server: Server, environment: Environment) -> list[str]:
    document, origin = server.document(), server.url.rstrip("/")
    row = calls.whole_row(document)
    found = [
        "  1. as SageMaker calls it\n" + calls.curl_csv(document, row, origin),
        "  2. V2 over REST\n" + calls.curl_v2(document, row, origin),
    ]
    if environment.grpc_port is not None:
        host = origin.removeprefix("http://").rpartition(":")[0]
        code = calls.python_grpc(document, row, f"{host}:{environment.grpc_port}")
        found.append("  3. V2 over gRPC\n" + calls.in_shell(sys.executable, code))
    return found
