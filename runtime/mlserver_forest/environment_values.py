"""The texts of variables become values, or errors that name the variable."""

import math

from mlserver_forest.errors import InvalidEnvironment

_MOST_SECONDS = 86_400
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


def port(name: str, text: str) -> int:
    port = positive(name, text)
    if port > 65535:
        raise InvalidEnvironment(f"{name} is {text!r}; expected a port from 1 to 65535")
    return port


def positive(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise InvalidEnvironment(f"{name} is {text!r}; expected a whole number above 0")
    return int(text)


def flag(name: str, text: str) -> bool:
    if text.strip().lower() in _TRUE:
        return True
    if text.strip().lower() in _FALSE:
        return False
    raise InvalidEnvironment(f"{name} is {text!r}; expected true or false")


def seconds(name: str, text: str, least: float | None) -> float:
    """Seconds, ``least`` or more, or else above 0."""
    try:
        seconds = float(text) if text.isascii() else math.nan
    except ValueError:
        seconds = math.nan
    is_enough = seconds > 0 if least is None else seconds >= least
    if not (is_enough and seconds <= _MOST_SECONDS):
        bound = "above 0" if least is None else f"{least:g} or more"
        raise InvalidEnvironment(f"{name} is {text!r}; expected seconds, {bound}")
    return seconds
