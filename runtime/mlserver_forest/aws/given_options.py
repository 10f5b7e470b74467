"""The options of the command line from which a value comes, so that a message can name them."""

from collections.abc import Iterator, Mapping
from typing import Any

import click
from click.core import ParameterSource

from mlserver_forest.errors import DeploymentError

# Text that is this short occurs in other values by chance.
_SHORTEST_PART = 4


def options_with(value: Any) -> tuple[str, ...]:
    """The options and arguments that were given this value; empty if nobody gave it.

    Args:
        value: a member of a request: text, a number, a list of them, or a mapping whose names or
            items were given.
    """
    context = click.get_current_context(silent=True)
    if context is None or value is None:
        return ()
    given = list(_given(context))
    exact = [name for name, one in given if _is_equal(one, value)]
    found = exact or [name for name, one in given if _is_part(one, value)]
    return tuple(dict.fromkeys(found))


def check_given_values() -> None:
    """Refuse values that no option takes, before anything else is done.

    Raises:
        DeploymentError: if a value is empty, as that of a shell variable that is not set is, or if
            a name has two values.
    """
    for parameter, written, values in _typed(click.get_current_context()):
        if "" in values and not _takes_nothing(parameter):
            raise DeploymentError(
                f"{written} is empty; expected a value (is a variable of the shell not set?), or "
                "leave it out"
            )
        if parameter.metavar in _PAIRS:
            _check_names(written, values)


# What options of names and values show as their value.
_PAIRS = frozenset({"NAME=VALUE", "KEY=VALUE"})


def _takes_nothing(parameter: click.Parameter) -> bool:
    """Whether the empty text is one of the choices."""
    return isinstance(parameter.type, click.Choice) and "" in parameter.type.choices


def _check_names(written: str, pairs: tuple[Any, ...]) -> None:
    found: dict[str, str] = {}
    for pair in pairs:
        name, _, value = str(pair).partition("=")
        if found.setdefault(name, value) != value:
            raise DeploymentError(
                f"{written} {name}: given twice, as {found[name]!r} and as {value!r}; expected "
                "one value"
            )


def _given(context: click.Context) -> Iterator[tuple[str, Any]]:
    """The name, as it is written, and the value of each parameter of the command line."""
    for _, written, values in _typed(context):
        for one in values:
            if not isinstance(one, bool):
                yield written, one


def _typed(context: click.Context) -> Iterator[tuple[click.Parameter, str, tuple[Any, ...]]]:
    """Each parameter of the command line, its name as it is written, and its values."""
    for parameter in context.command.params:
        name = parameter.name or ""
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        is_option = isinstance(parameter, click.Option)
        written = max(parameter.opts, key=len) if is_option else name.upper()
        values = context.params.get(name)
        yield parameter, written, values if isinstance(values, tuple) else (values,)


def _is_equal(given: Any, value: Any) -> bool:
    """Whether a value, or one of its items, was given as it is or as a part of NAME=VALUE."""
    if value == "":
        return bool(given == "")
    name, _, rest = str(given).partition("=")
    return not {str(given), name, rest}.isdisjoint(_texts(value))


def _texts(value: Any) -> Iterator[str]:
    """A value's names and items as text."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield name
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
    elif value != "":
        yield str(value)


def _is_part(given: Any, value: Any) -> bool:
    """Whether a longer text contains what was given, as a URI contains a bucket."""
    text = str(given)
    return isinstance(value, str) and len(text) >= _SHORTEST_PART and text in value
