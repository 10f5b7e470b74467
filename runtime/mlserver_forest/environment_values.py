"""How the text of a variable becomes a value, or an error that names the variable."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlserver_forest.errors import InvalidEnvironment

DEFAULT_LOG_SECONDS = 60.0
_MOST_SECONDS = 86_400
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True)
class GRPCKeepalive:
    """Pings on the connections of the gRPC port, and their end; None is gRPC's default.

    Attributes:
        ping_seconds: after so long without data the server pings its client
            (``FOREST_GRPC_KEEPALIVE_TIME``).
        timeout_seconds: a client that does not answer for so long is cut off
            (``FOREST_GRPC_KEEPALIVE_TIMEOUT``).
        least_ping_seconds: a client that pings more often is told to leave
            (``FOREST_GRPC_MIN_PING_INTERVAL``).
        most_age_seconds: after so long a client is told to open another connection
            (``FOREST_GRPC_MAX_CONNECTION_AGE``).
    """

    ping_seconds: float | None = None
    timeout_seconds: float | None = None
    least_ping_seconds: float | None = None
    most_age_seconds: float | None = None


@dataclass(frozen=True)
class RequestLogSettings:
    """How requests and their answers are logged.

    Attributes:
        place: a folder, or ``s3://bucket/prefix`` (``FOREST_REQUEST_LOG``).
        share: the share of requests that are logged (``FOREST_REQUEST_LOG_SAMPLE``).
        dropped: the columns that are never written (``FOREST_REQUEST_LOG_DROP``).
        seconds: how long rows may wait for their file (``FOREST_REQUEST_LOG_INTERVAL``).
    """

    place: str
    share: float = 1.0
    dropped: tuple[str, ...] = ()
    seconds: float = DEFAULT_LOG_SECONDS


def first_set(
    variables: Mapping[str, str], names: tuple[str, ...], default: str
) -> tuple[str, str]:
    """The first of the names that is set, and its value."""
    return next(
        ((name, variables[name]) for name in names if variables.get(name)), (names[0], default)
    )


def share(name: str, text: str) -> float:
    """A share from 0 to 1."""
    try:
        found = float(text) if text.isascii() else math.nan
    except ValueError:
        found = math.nan
    if not 0 <= found <= 1:
        raise InvalidEnvironment(f"{name} is {text!r}; expected a share from 0 to 1, such as 0.01")
    return found


def port(name: str, text: str) -> int:
    """A port."""
    number = positive(name, text)
    if number > 65535:
        raise InvalidEnvironment(f"{name} is {text!r}; expected a port from 1 to 65535")
    return number


def positive(name: str, text: str) -> int:
    """A whole number above 0."""
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise InvalidEnvironment(f"{name} is {text!r}; expected a whole number above 0")
    return int(text)


def flag(name: str, text: str) -> bool:
    """true, 1, yes or on; or their opposites, among them nothing."""
    if text.strip().lower() in _TRUE:
        return True
    if text.strip().lower() in _FALSE:
        return False
    raise InvalidEnvironment(f"{name} is {text!r}; expected true or false")


def seconds(name: str, text: str, least: float | None) -> float:
    """A number of seconds: at least ``least``, or above 0 if that is None."""
    try:
        value = float(text) if text.isascii() else math.nan
    except ValueError:
        value = math.nan
    is_enough = value > 0 if least is None else value >= least
    if not (is_enough and value <= _MOST_SECONDS):
        bound = "above 0" if least is None else f"{least:g} or more"
        raise InvalidEnvironment(f"{name} is {text!r}; expected a number of seconds, {bound}")
    return value


def origins(text: str) -> tuple[str, ...]:
    """Origins of pages, separated by commas."""
    found = tuple(origin.strip() for origin in text.split(",") if origin.strip())
    for origin in found:
        if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s]+|null", origin):
            raise InvalidEnvironment(
                f"FOREST_CORS_ORIGINS is {text!r}; expected origins such as "
                "https://example.com:8443, without a path, separated by commas, or *"
            )
    return found


def names(text: str) -> tuple[str, ...]:
    """Names, separated by commas, in lower case."""
    return tuple(name.strip().lower() for name in text.split(",") if name.strip())


def check_safe_range(text: str, grpc_name: str, grpc_port: int | None) -> None:
    """Check that the gRPC port is in the range: a pipeline's containers may not open others."""
    if not text:
        return
    found = re.fullmatch(r"\s*(\d{1,5})\s*-\s*(\d{1,5})\s*", text, re.ASCII)
    if not found:
        raise InvalidEnvironment(
            f"SAGEMAKER_SAFE_PORT_RANGE is {text!r}; expected two ports, such as 5000-5999"
        )
    low, high = int(found[1]), int(found[2])
    if grpc_port is not None and not low <= grpc_port <= high:
        raise InvalidEnvironment(
            f"{grpc_name} is {grpc_port}, outside SAGEMAKER_SAFE_PORT_RANGE {text}; "
            "set it to a port of the range, or to off"
        )


def log_format(text: str) -> str:
    """The form of log lines, "line" or "json", or empty for the default."""
    if text.lower() not in {"", "line", "json"}:
        raise InvalidEnvironment(f"FOREST_LOG_FORMAT is {text!r}; expected line or json")
    return text.lower()


def answer_shape(text: str) -> str:
    """The shape of the answers to invocations, "mlflow", or empty for this server's own."""
    if text.lower() not in {"", "default", "mlflow"}:
        raise InvalidEnvironment(
            f"SAGEMAKER_INFERENCE_ANSWER is {text!r}; expected mlflow or default"
        )
    return text.lower()
