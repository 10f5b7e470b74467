"""The types of hyperparameters: which decoded values they take, and how messages describe that."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class Expected:
    """A note in an ``Annotated`` type: the values that it takes, as messages say it."""

    values: str


@dataclass(frozen=True)
class Default:
    """A note in an ``Annotated`` type: a default that depends on something, as the docs say it."""

    description: str


@dataclass(frozen=True, eq=False)
class OneOf:
    """A note in an ``Annotated`` type: the strings that it takes, which may be a table's keys."""

    names: Collection[str]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._known)

    def _known(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.names:
            raise ValueError
        return value


@cache
def expected_of(model: type[BaseModel], name: str) -> str:
    """The values that a field takes, such as ``a whole number of 1 or more, or None``."""
    return _joined(_parts(get_type_hints(model, include_extras=True)[name]))


def default_of(model: type[BaseModel], name: str) -> str:
    """A field's default, as a person writes it."""
    hint = get_type_hints(model, include_extras=True)[name]
    for note in getattr(hint, "__metadata__", ()):
        if isinstance(note, Default):
            return note.description
    default = model.model_fields[name].default
    return str(default).lower() if isinstance(default, bool) else str(default)


def _parts(hint: Any) -> list[str]:
    """The values that each member of a union takes."""
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        values = [note.values for note in notes if isinstance(note, Expected)]
        names = [name for note in notes if isinstance(note, OneOf) for name in note.names]
        return values[-1:] or names or _parts(inner)
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


def _not_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError  # noqa: TRY004  # pydantic reports a ValueError as a fault
    return value


def _with_a_point(value: Any) -> Any:
    if not isinstance(value, float):
        raise ValueError  # noqa: TRY004  # 1 is one row, 1.0 all of them, as in scikit-learn
    return value


def _keys_as_text(value: Any) -> Any:
    """Python's ``{0: 1}``, as the SDK's Estimator sends it, is JSON's ``{"0": 1}``."""
    if isinstance(value, dict):
        return {str(key): number for key, number in value.items()}
    return value


def _signs(value: Any) -> Any:
    """XGBoost spells the list as text, ``(1,0,-1)``, which decodes to a tuple."""
    return _keys_as_text(list(value) if isinstance(value, tuple) else value)


def _listed(value: Any) -> Any:
    """``a, 3`` is the list ``["a", 3]``; one name or position is a list of one, None is empty."""
    if isinstance(value, str):
        names = [name.strip() for name in value.split(",")]
        return [int(name) if name.isascii() and name.isdigit() else name for name in names if name]
    if value is None:
        return []
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


def _texts(value: Any) -> Any:
    """``?,n.a.`` is the list ``["?", "n.a."]``, and so is the JSON list."""
    if value is None:
        return []
    texts = [text.strip() for text in value.split(",")] if isinstance(value, str) else value
    if not isinstance(texts, list) or any(map(_is_number, texts)):
        raise ValueError
    return texts


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def split_at_commas(value: Any) -> Any:
    """``a, b`` is the list ``["a", "b"]``."""
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


class Synonyms(BeforeValidator):
    """A note in an ``Annotated`` type: other names of some of its values."""

    def __init__(self, same: Mapping[str, str]) -> None:
        super().__init__(lambda value: same.get(value, value) if isinstance(value, str) else value)


Whole = Annotated[int, BeforeValidator(_not_bool)]
Number = Annotated[float, BeforeValidator(_not_bool), Expected("a number")]

# The libraries count in 32 bits.
Count = Annotated[Whole, Field(ge=1, lt=2**31), Expected("a whole number of 1 or more")]
AtLeastTwo = Annotated[Whole, Field(ge=2, lt=2**31), Expected("a whole number of 2 or more")]
CountOrZero = Annotated[Whole, Field(ge=0, lt=2**31), Expected("a whole number of 0 or more")]
CountOrMinusOne = Annotated[Whole, Field(ge=-1, lt=2**31), Expected("a whole number of -1 or more")]
Seed = Annotated[Whole, Field(ge=0, lt=2**32), Expected("a whole number from 0 to 4294967295")]
Threads = Annotated[
    Annotated[Whole, Field(ge=1, lt=2**31)] | Annotated[Whole, Field(ge=-(2**31), le=-1)],
    Expected("a whole number of threads, not 0, -1 for all CPUs"),
]

NotNegative = Annotated[Number, Field(ge=0), Expected("a number of 0 or more")]
Positive = Annotated[Number, Field(gt=0), Expected("a number above 0")]
UpToOne = Annotated[Number, Field(gt=0, le=1), Expected("a number above 0 and up to 1")]
FromZeroToOne = Annotated[Number, Field(ge=0, le=1), Expected("a number from 0 to 1")]
Between = Annotated[Number, Field(gt=0, lt=1), Expected("a number between 0 and 1")]
BelowOne = Annotated[Number, Field(ge=0, lt=1), Expected("a number from 0 to below 1; 0 for none")]
UpToHalf = Annotated[Number, Field(ge=0, le=0.5), Expected("a number from 0 to 0.5")]
TweediePower = Annotated[Number, Field(ge=1, lt=2), Expected("a number from 1 to below 2")]
# With a decimal point it is a share of the rows or features; without, it is their number.
Share = Annotated[
    float,
    BeforeValidator(_with_a_point),
    Field(gt=0, le=1),
    Expected("a share above 0 and up to 1.0"),
]
ShareBelowOne = Annotated[
    float, BeforeValidator(_with_a_point), Field(gt=0, lt=1), Expected("a share between 0 and 1")
]

Column = (
    Annotated[str, Field(min_length=1), Expected("a column's name")]
    | Annotated[Whole, Field(ge=0, lt=2**31), Expected("a column's position from 0")]
)
Columns = Annotated[
    list[Column],
    BeforeValidator(_listed),
    Expected('names or positions of columns, separated by commas or as JSON: ["a", 3]'),
]
Texts = Annotated[
    list[Annotated[str, Field(min_length=1)]], BeforeValidator(_texts), Expected("texts")
]
ClassWeights = Annotated[
    dict[str, Annotated[float, BeforeValidator(_not_bool), Field(ge=0)]],
    BeforeValidator(_keys_as_text),
    Expected('{"label": weight, ...}'),
]
Sign = Literal[-1, 0, 1]
Signs = Annotated[
    list[Sign] | dict[str, Sign],
    BeforeValidator(_signs),
    Expected('{"feature": 1 or -1, ...} or [1, 0, -1, ...] with a number for each feature'),
]
FeatureSets = Annotated[
    Annotated[list[list[Column]], Field(min_length=1)],
    Expected('[["feature", "feature"], ...] with names or positions of features'),
]
