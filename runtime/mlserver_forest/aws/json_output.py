"""JSON documents on standard output: always valid JSON, and errors have one form."""

import json
import math
from collections.abc import Mapping
from typing import Any

from mlserver_forest.aws.aws_errors import NoCredentials, Refused
from mlserver_forest.aws.plan_failure import PlanFailed
from mlserver_forest.aws.request_check import InvalidRequest
from mlserver_forest.aws.waiter import EndedBadly
from mlserver_forest.errors import DeploymentError

# The codes of errors that are not AWS's own; docs/sagemaker.md lists them.
USAGE_ERROR = "UsageError"
_INTERRUPTED = "Interrupted"
_CODES: Mapping[type[Exception], str] = {
    InvalidRequest: "InvalidValue",
    EndedBadly: "EndedBadly",
    NoCredentials: "NoCredentials",
    DeploymentError: "DeploymentError",
    OSError: "OSError",
}


def to_json(document: Any, *, indent: int | None = None) -> str:
    """The document as JSON; a number that JSON does not have (NaN) is null."""
    return json.dumps(_finite(document), indent=indent, default=str, allow_nan=False)


def error_document(
    error: BaseException, message: str, *, code: str = "", is_interrupted: bool = False
) -> dict[str, Any]:
    """What is printed for an error: ``error``, ``code`` and ``hint``, and what a failed plan did.

    Args:
        error: the error.
        message: its text; the first line is the error.
        code: the code, or empty for the one of the error's class or of AWS.
        is_interrupted: whether a signal has ended the command.
    """
    first, *more = message.splitlines() or [""]
    cause = error.cause if isinstance(error, PlanFailed) else error
    document: dict[str, Any] = {
        "error": first,
        "code": _INTERRUPTED if is_interrupted else code or _code_of(cause),
        "hint": _hint_in(first),
    }
    if isinstance(error, PlanFailed):
        return document | error.as_json()
    return document | ({"details": more} if more else {})


def _hint_in(line: str) -> str:
    """What to do or what was expected, which is the end of each message."""
    _, semicolon, advice = line.rpartition("; ")
    if semicolon:
        return advice
    _, expected, rest = line.partition("expected ")
    return f"{expected}{rest}"


def _code_of(error: BaseException) -> str:
    if isinstance(error, Refused):
        return error.code
    named = (code for kind, code in _CODES.items() if isinstance(error, kind))
    return next(named, type(error).__name__)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value
