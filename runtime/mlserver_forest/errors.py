"""The one exception tree.

Each message says where, what came, what was expected, and what to do. The
exceptions know no protocol: ``serving/errors_table.py`` maps classes to HTTP statuses and gRPC
codes, and commands exit with ``exit_code``.

::

    ForestError
    ├── RequestError              a caller sent something that cannot be answered
    │   ├── InvalidInput
    │   ├── PayloadTooLarge
    │   ├── UnsupportedMediaType
    │   │   └── UnsupportedCoding
    │   ├── NotAcceptable
    │   ├── UnsupportedOperation
    │   └── NotFound
    │       └── ModelNotFound
    ├── ServerError               a request that this server cannot answer now
    │   ├── NotReady
    │   ├── Overloaded
    │   ├── TimedOut
    │   ├── ModelConflict
    │   │   └── AlreadyLoaded
    │   └── OutOfMemory
    ├── ModelFailed               a model's own code that failed on a request
    ├── JobError                  a training job that cannot be run as requested
    │   ├── InvalidHyperparameters
    │   └── InvalidData
    ├── UnsupportedEstimator      a fitted model that cannot be packed
    ├── InvalidArtifact           a model directory that must not be served
    ├── InvalidEnvironment        a variable, port or configuration file
    └── DeploymentError           a call to AWS or Docker that failed or was invalid
"""

import reprlib
from collections.abc import Sequence
from typing import Any

_SHORT = reprlib.Repr()
_SHORT.maxlevel = 3
_SHORT.maxlist = _SHORT.maxdict = _SHORT.maxstring = _SHORT.maxother = 120


class ForestError(Exception):
    """Base of all errors that this package raises on purpose."""

    exit_code = 1


class RequestError(ForestError):
    """A request that its sender can correct."""


class InvalidInput(RequestError):
    """The body does not hold the rows that the model's schema expects."""


class PayloadTooLarge(RequestError):
    """The body is larger than the server is configured to accept."""


class UnsupportedMediaType(RequestError):
    """The body's Content-Type or Content-Encoding is not one that the server reads."""


class UnsupportedCoding(UnsupportedMediaType):
    """The body's Content-Encoding is not one that the server reads."""


class NotAcceptable(RequestError):
    """None of the media types in Accept is one that the server writes."""


class UnsupportedOperation(RequestError):
    """The operation is not available with the settings of this server."""


class NotFound(RequestError):
    """There is nothing at this path or under this name."""


class ModelNotFound(NotFound):
    """No model of this name, or not in this version, is loaded or can be loaded."""

    def __init__(self, name: str, version: str | None = None, others: Sequence[str] = ()) -> None:
        """``others`` are the models that the caller may have meant."""
        which = printable(name)
        if version is not None:
            which += f" with version {printable(version)}"
        there = f"; there is {', '.join(map(printable, others))}" if others else ""
        super().__init__(f"Model {which} not found{there}")
        self.name = name


class ServerError(ForestError):
    """The request may be valid, but the server cannot answer it in its present state."""


class NotReady(ServerError):
    """The model is not loaded yet."""


class Overloaded(ServerError):
    """The server has more requests than it can answer soon."""


class TimedOut(ServerError):
    """The answer took longer than it may."""


class ModelConflict(ServerError):
    """The model is already loaded, or is being loaded."""


class AlreadyLoaded(ModelConflict):
    """A model of this name is loaded already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"model {name!r} is already loaded; unload it first")
        self.name = name


class OutOfMemory(ServerError):
    """There is not enough memory left to load the model."""


class ModelFailed(ForestError):
    """The code of a model's own runtime failed on a request; the log has its reason."""


class JobError(ForestError):
    """A training job that its owner can correct.

    Attributes:
        notes: lines about the data that were read before, which may hold the reason.
        settings: hyperparameters, as name and value, that decide what the message asks for.
    """

    notes: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()


class InvalidHyperparameters(JobError):
    """Hyperparameters that are unknown or out of range. The message names all of them."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        count = f"{len(faults)} invalid hyperparameter{'s' if len(faults) != 1 else ''}"
        super().__init__(f"{count}: " + "; ".join(faults))


class InvalidData(JobError):
    """A channel that cannot be trained on."""


class UnsupportedEstimator(ForestError):
    """A fitted model that cannot be packed into a forest."""


class InvalidArtifact(ForestError):
    """A model directory that is missing, damaged, of another format, or not to be trusted."""


class InvalidEnvironment(ForestError):
    """An environment variable, a port or a configuration file has an impossible value."""


class MissingLibrary(InvalidEnvironment):
    """A library that an extra of this package installs is missing."""


class DeploymentError(ForestError):
    """An operation in AWS or Docker failed, or was only partly done."""


def printable(name: str, longest: int = 255) -> str:
    """A foreign name for an error message: itself, or with escapes if it is not printable.

    Args:
        name: from a client.
        longest: the number of characters before the text is cut and an ellipsis is added.
    """
    if name.isprintable() and len(name) <= longest:
        return name
    return format_value(name, longest)


def format_error(error: BaseException) -> str:
    """Format an error of another library for an error message: its class, and what it says.

    ``repr`` of an error may hold the whole input (UnicodeDecodeError).
    """
    return f"{type(error).__name__}: {printable(str(error), 200)}"


def count(number: int, noun: str) -> str:
    """A number of things for a message: "1 value", "2 values"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


# A longer name is cut in error messages.
_LONGEST_NAME = 40


def format_name(name: str) -> str:
    """A name that a client chose, as a part of a path such as ``inputs.0.name``."""
    is_plain = len(name) <= _LONGEST_NAME and all(part.isidentifier() for part in name.split("-"))
    return name if is_plain else format_value(name)


def format_value(value: Any, longest: int = 40) -> str:
    """Format a foreign value for an error message: Python's ``repr``, on one short line.

    Args:
        value: anything; lists and dicts may be nested arbitrarily deep.
        longest: the number of characters before the text is cut and an ellipsis is added.
    """
    # ``repr`` of deep nesting would exhaust the stack.
    is_text = isinstance(value, str | bytes)
    text = repr(value[: longest + 1]) if is_text else _SHORT.repr(value)
    return text if len(text) <= longest + 2 else f"{text[:longest]}..."
