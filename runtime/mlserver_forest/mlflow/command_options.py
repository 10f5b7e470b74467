"""Options of a command as MLflow's ``-C NAME=VALUE``: derived from the command itself."""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import click
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from mlserver_forest.environment_values import flag
from mlserver_forest.errors import InvalidEnvironment, format_value

# The options of forest deploy that name a variant.
_VARIANTS = frozenset({"variant", "shadow"})
# Options that MLflow's own arguments stand for, or that would leave nothing to return.
_TAKEN = frozenset({"name", "yes", "json", "dry-run", "help"})


def words_of(command: click.Command, config: Mapping[str, Any] | None) -> list[str]:
    """The words of a command line for a configuration.

    Args:
        command: the command.
        config: values by the options' names, with dashes or underscores; a value is text, or what
            a Python caller gives: a number, true or false, a list, None for the default. In text, a
            list is JSON.

    Raises:
        MlflowException: naming the option that does not exist, or what it takes.
    """
    known = dict(_options(command))
    words: list[str] = []
    for given, value in (config or {}).items():
        name = _plain(given)
        if name not in known:
            raise _unknown(command, given, list(known))
        if value is not None:
            words += _words(known[name], name, value)
    return words


def names_variant(config: Mapping[str, Any] | None) -> bool:
    """Whether a configuration of ``forest deploy`` says which variant is meant."""
    given = {_plain(name) for name, value in (config or {}).items() if value is not None}
    return bool(given & _VARIANTS)


def describe_options(command: click.Command) -> Iterator[str]:
    """A line for each option of a command that ``-C`` takes: its name, its values, its help."""
    context = click.Context(command)
    for name, option in _options(command):
        record = option.get_help_record(context)
        values = "true|false" if option.is_flag else option.make_metavar(context)
        yield f"  {name}={values}  {record[1] if record else ''}".rstrip()


def _plain(given: str) -> str:
    """The name of an option as it is typed, without the dashes before it."""
    return given.lstrip("-").replace("_", "-")


def _options(command: click.Command) -> Iterator[tuple[str, click.Option]]:
    for option in command.params:
        if isinstance(option, click.Option):
            name = max(option.opts, key=len).removeprefix("--")
            if name not in _TAKEN:
                yield name, option


def _words(option: click.Option, name: str, value: Any) -> list[str]:
    if option.is_flag:
        try:
            is_on = flag(name, str(value))
        except InvalidEnvironment as error:
            raise _invalid(str(error)) from error
        if is_on:
            return [f"--{name}"]
        return [option.secondary_opts[0]] if option.secondary_opts else []
    if isinstance(option.flag_value, str) and str(value).lower() in {"true", "false"}:
        # An option whose value can be left out, such as --shadow.
        return [f"--{name}={option.flag_value}"] if str(value).lower() == "true" else []
    values = _list(name, value) if option.multiple else [value]
    if any(isinstance(one, list | dict) for one in values):
        raise _invalid(f"{name} is {format_value(value)}; expected one value")
    return [word for one in values for word in (f"--{name}", str(one))]


def _list(name: str, value: Any) -> list[Any]:
    """The values of an option that can be repeated."""
    if isinstance(value, Mapping):
        return [f"{key}={one}" for key, one in value.items()]
    if isinstance(value, list | tuple):
        return list(value)
    text = str(value)
    if not text.startswith("["):
        return [text]
    try:
        return list(json.loads(text))
    except ValueError as error:
        raise _invalid(
            f'{name} is {format_value(text)}; expected a JSON list, such as ["A=1", "B=2"]'
        ) from error


def _unknown(command: click.Command, given: str, known: list[str]) -> MlflowException:
    close = get_close_matches(given.replace("_", "-"), known, 1)
    hint = f"did you mean {close[0]}? " if close else ""
    return _invalid(
        f"{format_value(given)} is not an option of forest {command.name}; {hint}expected one of "
        f"{', '.join(known)}"
    )


def _invalid(message: str) -> MlflowException:
    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)
