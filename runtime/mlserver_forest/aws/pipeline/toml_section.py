"""A table of a pipeline's TOML file: its keys are options of a command, parsed by click.

So each key has the default, the type and the bounds of the option of the same name, and whatever
reads the options of ``forest fit`` reads those of the file.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from mlserver_forest.aws.given_options import options_with
from mlserver_forest.errors import DeploymentError

# The types of a value, as TOML names them.
_KINDS = {bool: "boolean", str: "string", list: "array", dict: "table"}


class TomlSection:
    """A table of the file.

    Args:
        file: the path of the file, for messages.
        name: the table's name, or empty for the keys before the first table.
        table: the table.
        options: adds the options to a click command.
        left_out: the names of options that the file cannot have.

    Attributes:
        name: the table's name.
        keys: the keys that it may have.
        values: the values by the names of the options' parameters.

    Raises:
        DeploymentError: naming the file, the table and the key, what came and what is expected.
    """

    def __init__(
        self,
        file: str,
        name: str,
        table: Mapping[str, Any],
        options: Callable[[Callable[..., Any]], Callable[..., Any]],
        left_out: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._file = file
        made: Any = click.command(name or "top")(options(lambda **_: None))
        self._options = {
            _key(one): one
            for one in made.params
            if isinstance(one, click.Option) and _key(one) not in left_out
        }
        self.keys = frozenset(self._options)
        words = [word for key, value in table.items() for word in self._words(key, value)]
        try:
            # An argument of the command, such as DATA, is no key, and click fills in nothing.
            self._context = made.make_context(made.name, words)
        except click.UsageError as error:
            raise self._refused(error, table) from error
        self.values: dict[str, Any] = dict(self._context.params)

    def place(self, key: str) -> str:
        """A key with its file and table, for messages."""
        return f"{self._file}: {f'[{self.name}] ' if self.name else ''}{key}"

    def keys_with(self, value: Any) -> tuple[str, ...]:
        """The keys, with file and table, that were given a value of a request."""
        with self._context.scope(cleanup=False):
            names = (option.lstrip("-") for option in options_with(value))
            return tuple(self.place(name) for name in names)

    def _words(self, key: str, value: Any) -> Iterator[str]:
        option = self._options.get(key)
        if option is None:
            raise DeploymentError(unknown_key(self.place(key), key, self._options))
        if option.is_flag:
            yield from self._flag(key, option, value)
            return
        for text in self._texts(key, option, value):
            yield f"--{key}={text}"

    def _flag(self, key: str, option: click.Option, value: Any) -> Iterator[str]:
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        if value:
            yield f"--{key}"
        elif option.secondary_opts:
            yield option.secondary_opts[0]

    def _texts(self, key: str, option: click.Option, value: Any) -> list[str]:
        """The values of an option; a table gives NAME=VALUE, and its lists A,B,C."""
        is_pair = "=" in (option.metavar or "")
        if isinstance(value, Mapping) and is_pair:
            for name in value:
                if "=" in name:
                    raise DeploymentError(f"{self.place(key)}: {name!r} is not a name; it has a =")
            pairs = {name: one if isinstance(one, list) else [one] for name, one in value.items()}
            return [
                f"{name}={','.join(self._text(f'{key}.{name}', one) for one in some)}"
                for name, some in pairs.items()
            ]
        if is_pair:
            raise self._wrong(key, value, f"a table, such as {key} = {{ name = 1 }}")
        if isinstance(value, list):
            if not option.multiple:
                raise self._wrong(key, value, "one value")
            return [self._text(key, one) for one in value]
        return [self._text(key, value)]

    def _text(self, key: str, value: Any) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str | int | float):
            return str(value)
        raise self._wrong(key, value, "a string or a number")

    def _wrong(self, key: str, value: Any, expected: str) -> DeploymentError:
        kind = _KINDS.get(type(value), "number")
        return DeploymentError(f"{self.place(key)}: a {kind} came; expected {expected}")

    def _refused(self, error: click.UsageError, table: Mapping[str, Any]) -> DeploymentError:
        found = getattr(error, "param", None)
        if isinstance(error, click.MissingParameter) and found is not None:
            return DeploymentError(f"{self.place(_key(found))} is missing: {found.help}")
        if found is None:
            return DeploymentError(f"{self.place('')}{error.format_message()}")
        key = _key(found)
        return DeploymentError(f"{self.place(key)} = {table.get(key)!r}: {error.message}")


def unknown_key(place: str, key: str, known: Mapping[str, Any]) -> str:
    """The message about a key that does not exist, with the nearest one that does."""
    close = difflib.get_close_matches(key, known, 1, 0.6)
    guess = f"did you mean {close[0]}? " if close else ""
    return f"{place} is not a key here; {guess}expected some of {', '.join(known)}"


def _key(option: click.Parameter) -> str:
    """The longest name of an option without its hyphens."""
    return max(option.opts, key=len).lstrip("-")
