"""The raw columns of a pipeline: numbers or categories, and what the pipeline takes of each.

Nothing in a pipeline says what its raw columns are. So the functions that are made of a column are
asked: those that compare it with words make it a column of categories, and those that refuse a
missing or an unknown value make the schema refuse it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers.scikit_learn.pipelines.number_line import (
    HIGHEST,
    LOWEST,
    Keys,
    keys_of,
    numbers_of,
)
from mlserver_forest.importers.scikit_learn.pipelines.prepared import (
    AskedValues,
    PreparedColumn,
    columns_behind,
    is_number,
    missing_in,
)
from mlserver_forest.schema.categories import BOOLEAN, Categories
from mlserver_forest.schema.schema import Schema

# No category of a table is so called.
_UNKNOWN = "\N{REPLACEMENT CHARACTER} unknown"
# Integers beyond this one share their float64 numbers.
_MOST_EXACT = 2**53
# Numbers that a column is tried with, to find some that it takes.
_TRIED = (0.0, 1.0, 0.5, -1.0, 2.0, 10.0, 100.0, 1e-3, 1e3, -100.0, 1e6)


@dataclass(frozen=True, eq=False)
class RawColumn:
    """A column of the rows that a pipeline takes.

    Attributes:
        place: its position among the columns that the pipeline was fitted on.
        name: its name in the schema.
        values: (n,) objects, the categories in the order of their codes; None for numbers.
        unknown: what stands for a category that is not among ``values``; None if it is refused.
        missing: what stands for a missing value: NaN, or None.
        takes_missing: whether a value may be missing.
        range: the smallest and the largest number that is taken; None if all are.
        reads_objects: whether the pipeline reads an array of objects, also of numbers.
        says: what is done with it, for people.
    """

    place: int
    name: str
    values: NDArray[Any] | None = None
    unknown: Any = None
    missing: Any = np.nan
    takes_missing: bool = True
    range: tuple[float, float] | None = None
    reads_objects: bool = False
    says: tuple[str, ...] = ()
    # What was found out about the column's numbers; see ``number_line.line_of``.
    intervals: dict[tuple[int, ...], Keys] = field(default_factory=dict, repr=False)

    @cached_property
    def missing_value(self) -> NDArray[Any]:
        """(1,) a missing value."""
        return np.array([self.missing], np.float64 if self.values is None else object)

    @cached_property
    def all_values(self) -> NDArray[Any]:
        """(n_codes,) the categories, and last the one that stands for all others."""
        assert self.values is not None, "only a column of categories has codes"  # noqa: S101
        return self.values if self.unknown is None else _objects([*self.values, self.unknown])

    @property
    def categories(self) -> Categories | None:
        """The categories as the schema has them."""
        if self.values is None:
            return None
        # pandas gives an encoder 0.0 and 1.0 for nullable booleans and categories of booleans.
        if self.unknown is None and self.values.tolist() == [False, True]:
            return BOOLEAN
        names = tuple(_name(value) for value in self.values)
        return Categories(
            names, refuses_unseen=self.unknown is None, has_unseen_code=self.unknown is not None
        )

    @cached_property
    def all_asked(self) -> AskedValues:
        """``all_values``, to be asked about."""
        return AskedValues(self.all_values)

    def numbers_of(self, keys: Keys) -> NDArray[np.float64]:
        """The numbers in ``X`` that have these keys: see ``number_line.py``, or codes."""
        return numbers_of(keys) if self.values is None else np.asarray(keys, np.float64)

    def raw(self, x: NDArray[Any]) -> NDArray[Any]:
        """The values that numbers of ``X`` stand for.

        Args:
            x: (n,) numbers, or codes; a code that is none is a missing value.

        Returns:
            (n,) float64, or objects.
        """
        if self.values is None:
            return x.astype(object if self.reads_objects else np.float64)
        known = _objects([*self.all_values, self.missing])
        codes = np.nan_to_num(x, nan=len(known) - 1.0)
        return known[np.clip(codes, 0, len(known) - 1).astype(np.intp)]


def describe(schema: Schema, columns: Sequence[RawColumn], ignored: Iterable[str]) -> Schema:
    """A schema of raw columns.

    Args:
        schema: what the ensemble predicts; its features are replaced.
        columns: in the order of the columns of ``X``.
        ignored: names of columns that rows may have, and that nothing reads.
    """
    takes_missing = any(column.takes_missing for column in columns)
    required = {column.name for column in columns if not column.takes_missing}
    return replace(
        schema,
        feature_names=tuple(column.name for column in columns),
        datatype="FP64",
        takes_missing=takes_missing,
        required=frozenset(required if takes_missing else ()),
        categories={
            column.name: found for column in columns if (found := column.categories) is not None
        },
        ranges={column.name: column.range for column in columns if column.range is not None},
        ignored=tuple(ignored),
    )


def find_columns(
    features: Sequence[PreparedColumn], names: Sequence[str], *, keeps_all: bool
) -> list[RawColumn]:
    """Find out what a pipeline's raw columns are.

    Args:
        features: all that is made of the raw columns, guards included; mixtures are made of them
            through their inputs.
        names: (n_columns,) the columns' names.
        keeps_all: whether columns that nothing reads stay, because rows have no names.

    Raises:
        UnsupportedEstimator: if a request could not name the categories of a column.
    """
    by_place: dict[int, list[PreparedColumn]] = {}
    for feature in columns_behind(features):
        if isinstance(feature.source, int):
            by_place.setdefault(feature.source, []).append(feature)
    return [
        _column(place, name, by_place.get(place, []))
        for place, name in enumerate(names)
        if keeps_all or place in by_place
    ]


def _column(place: int, name: str, features: Sequence[PreparedColumn]) -> RawColumn:
    says = tuple(_distinct(" ".join(_says(feature)) for feature in features))
    functions = [function for feature in features for function in feature.functions]
    reads_objects = any(function.reads_objects for function in functions)
    known = _distinct(value for feature in features for value in feature.known)
    column = RawColumn(place, name, reads_objects=reads_objects, says=says)
    if None in known:
        known.remove(None)
        column = replace(column, missing=None)
    strange = next((value for value in known if not _is_exact(value)), None)
    if strange is not None:
        raise UnsupportedEstimator(
            f"the column {format_value(name)} has the category {strange!r}, which is not the same "
            f"in a request, whose values are texts or float64 numbers; fit the pipeline on text: "
            f"frame[{name!r}].astype(str)"
        )
    has_words = any(not is_number(value) or isinstance(value, bool) for value in known)
    if known and (has_words or _refuses_numbers(features, known)):
        return _categorical(column, features, known)
    column = replace(column, takes_missing=not _refused(features, column.missing_value).any())
    return replace(column, range=_range(features, known))


def _categorical(
    column: RawColumn, features: Sequence[PreparedColumn], known: Sequence[Any]
) -> RawColumn:
    """A column of categories: those that no part of the pipeline refuses."""
    refused = _refused(features, _objects(known)).tolist()
    known = [value for value, is_refused in zip(known, refused, strict=True) if not is_refused]
    if not known:
        raise UnsupportedEstimator(
            f"the column {format_value(column.name)} has no category that all parts of this "
            "pipeline take; they were fitted on different tables"
        )
    if any(isinstance(value, bool) for value in known):
        return _boolean(column, features, known)
    names = [_name(value) for value in known]
    if len(set(names)) != len(names):
        raise UnsupportedEstimator(
            f"the column {format_value(column.name)} has the categories {format_value(known[:4])},"
            " ..., which a request cannot tell apart; give them different names, without spaces "
            "around them"
        )
    unknown: Any = _UNKNOWN
    if all(is_number(value) for value in known):
        unknown = float(max(known)) + 1
    if _refused(features, _objects([unknown])).any():
        unknown = None
    found = replace(column, values=_objects(known), unknown=unknown)
    return _with_missing(found, features)


def _boolean(
    column: RawColumn, features: Sequence[PreparedColumn], known: Sequence[Any]
) -> RawColumn:
    values = _objects([False, True])
    if set(known) - {False, True} or _refused(features, values).any():
        raise UnsupportedEstimator(
            f"the column {format_value(column.name)} has the categories {format_value(known[:4])},"
            " of which a request could name only true and false; fit it on words or numbers"
        )
    return _with_missing(replace(column, values=values), features)


def _with_missing(column: RawColumn, features: Sequence[PreparedColumn]) -> RawColumn:
    """Find out what a missing category is: NaN as pandas reads it, or None."""
    for missing in (column.missing, np.nan, None):
        if not _refused(features, _objects([missing])).any():
            return replace(column, missing=missing)
    return replace(column, takes_missing=False)


def _refuses_numbers(features: Sequence[PreparedColumn], known: Sequence[Any]) -> bool:
    """Whether some numbers that are known are taken, and others are refused."""
    numbers = np.array([*known, float(max(known)) + 1], np.float64)
    refused = _refused(features, numbers)
    return bool(refused[-1]) and not refused[:-1].all()


def _range(features: Sequence[PreparedColumn], known: Sequence[Any]) -> tuple[float, float] | None:
    """The smallest and the largest number that is taken; None if all are."""
    edges = [edge for feature in features for edge in feature.edges]
    tried = np.array([*_TRIED, *(float(value) for value in known), *edges])
    is_refused = _refused(features, tried)
    taken = tried[~is_refused]
    if not taken.size:
        raise UnsupportedEstimator(
            "a column of this pipeline takes no number; it was fitted on something else"
        )
    inside, refused = int(keys_of(taken)[0]), keys_of(tried[is_refused])
    low = _last_taken(features, inside, int(refused[refused < inside].max(initial=LOWEST)))
    high = _last_taken(features, inside, int(refused[refused > inside].min(initial=HIGHEST)))
    return None if (low, high) == (LOWEST, HIGHEST) else _ends(low, high)


def _ends(low: int, high: int) -> tuple[float, float]:
    first, last = numbers_of(np.array([low, high], np.int64)).tolist()
    return first, last


def _last_taken(features: Sequence[PreparedColumn], inside: int, outside: int) -> int:
    """The key of the last number on the way from one that is taken to another.

    The logarithm of a negative number is NaN, which may be taken, beside that of 0, which is not.
    """

    def is_refused(key: int) -> bool:
        return bool(_refused(features, numbers_of(np.array([key], np.int64)))[0])

    def is_undefined(key: int) -> bool:
        number = numbers_of(np.array([key], np.int64))
        return is_refused(key) or any(missing_in(one.of(number)[0])[0] for one in begun)

    begun = [part for feature in features for part in feature.begun()]

    if not is_refused(outside) and (is_undefined(inside) or not is_undefined(outside)):
        return outside
    stops, start = (is_refused if is_refused(outside) else is_undefined), outside
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        if stops(middle):
            outside = middle
        else:
            inside = middle
    return inside if is_refused(outside) else start


def _refused(features: Sequence[PreparedColumn], values: NDArray[Any]) -> NDArray[np.bool_]:
    """(n,) whether any part of the pipeline refuses a value."""
    refused, asked = np.zeros(len(values), bool), AskedValues(values)
    for feature in features:
        refused |= asked.of(feature)[1]
    return refused


def _says(feature: PreparedColumn) -> list[str]:
    return [", ".join(_distinct(one.says for one in feature.functions if one.says))]


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Values in their order, each once; True is not 1."""
    found: Mapping[Any, Any] = {(type(value) is bool, value): value for value in values}
    return list(found.values())


def _is_exact(value: Any) -> bool:
    """Whether a category is the same as text, or as a float64 number."""
    if isinstance(value, date | time | timedelta):
        return False
    return not isinstance(value, int) or abs(value) <= _MOST_EXACT


def _name(value: Any) -> str:
    """How a request names a category."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _objects(values: Iterable[Any]) -> NDArray[Any]:
    listed = list(values)
    found = np.empty(len(listed), object)
    found[:] = listed
    return found
