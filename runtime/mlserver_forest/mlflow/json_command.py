"""A command of ``forest`` run in this process: its document, or MLflow's exception."""

import contextlib
import io
import json
from collections.abc import Iterator
from typing import Any

import click
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from mlserver_forest.errors import ForestError


def run_command(command: click.Command, *words: str) -> dict[str, Any]:
    """Run a command with ``--json``, without questions; its progress goes to standard error.

    Args:
        command: of ``forest``, on SageMaker.
        words: its arguments.

    Returns:
        The last document that it prints.

    Raises:
        MlflowException: with the command's message.
    """
    output, code = io.StringIO(), 0
    with contextlib.redirect_stdout(output):
        try:
            command.main([*words, "--json", "--yes"], command.name, standalone_mode=False)
        except SystemExit as end:
            code = int(end.code or 0)
        except click.ClickException as error:
            raise MlflowException(
                f"forest {command.name}: {error.format_message()}",
                error_code=INVALID_PARAMETER_VALUE,
            ) from error
    document = _last_document(output.getvalue())
    if code:
        raise MlflowException(_message(command, code, document))
    return document


@contextlib.contextmanager
def failing() -> Iterator[None]:
    """Raise this package's errors, and those of files, as MLflow's exception."""
    try:
        yield
    except (ForestError, OSError) as error:
        raise MlflowException(str(error)) from error


def _message(command: click.Command, code: int, document: dict[str, Any]) -> str:
    if "error" not in document:
        return f"forest {command.name} ended with {code}; its reason is above"
    return "\n".join([str(document["error"]), *map(str, document.get("details", ()))])


def _last_document(text: str) -> dict[str, Any]:
    decoder, start = json.JSONDecoder(), 0
    found: dict[str, Any] = {}
    while (start := text.find("{", start)) >= 0:
        found, start = decoder.raw_decode(text, start)
    return found
