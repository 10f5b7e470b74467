"""How the text of a variable becomes a value, or an error that names the variable."""

import math
import re
from collections.abc import Mapping

from mlserver_forest.errors import InvalidEnvironment

_MOST_SECONDS = 86_400
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


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
