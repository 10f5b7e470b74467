"""A field's type -> the words that tables and error messages use for it."""

from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel


@dataclass(frozen=True)
class Expected:
    """Stands in an ``Annotated`` type: what values it takes."""

    words: str


@dataclass(frozen=True)
class Default:
    """Stands in an ``Annotated`` type of a field whose default depends on something."""

    words: str


@cache
def expected_of(model: type[BaseModel], name: str) -> str:
    """What a field takes, such as ``a whole number of 1 or more, or None``."""
    return _joined(_parts(get_type_hints(model, include_extras=True)[name]))


def default_of(model: type[BaseModel], name: str) -> str:
    """A field's default, as a person writes it."""
    hint = get_type_hints(model, include_extras=True)[name]
    for note in getattr(hint, "__metadata__", ()):
        if isinstance(note, Default):
            return note.words
    default = model.model_fields[name].default
    return str(default).lower() if isinstance(default, bool) else str(default)


def _parts(hint: Any) -> list[str]:
    """What each member of a union takes."""
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        words = [note.words for note in notes if isinstance(note, Expected)]
        return words[-1:] or _parts(inner)
    if get_origin(hint) in {Union, UnionType}:
        return [part for member in get_args(hint) for part in _parts(member)]
    if get_origin(hint) is Literal:
        return [str(value) for value in get_args(hint)]
    return [{bool: "true or false", NoneType: "None"}[hint]]


def _joined(parts: list[str]) -> str:
    if len(parts) == 1:
        return parts[0]
    is_long = parts[-1] == "None" or any(" or " in part or ", " in part for part in parts)
    return (", or " if is_long else " or ").join([", ".join(parts[:-1]), parts[-1]])
