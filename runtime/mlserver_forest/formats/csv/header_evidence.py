"""Whether the first record of CSV holds names: the types, and the values, above and below."""

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

from mlserver_forest.formats.field_values import parse_number
from mlserver_forest.schema.categories import is_missing

# Words that people write where a value is missing; they are not names.
_PLACEHOLDERS = frozenset({"unknown", "missing", "undefined", "not available", "-", "--", "?", "."})
# So many rows show whether a text that does not occur below is a name.
_ENOUGH_ROWS = 4
_FEWEST_NUMBERED = 3

Rows = Sequence[Sequence[str]]


class HeaderEvidence(NamedTuple):
    """What the first record is taken for.

    Attributes:
        are_names: whether it holds names.
        is_doubtful: whether it may be otherwise.
    """

    are_names: bool
    is_doubtful: bool = False


def evidence(
    names: Sequence[str], below: Rows, declared: Collection[str], *, is_first: bool
) -> HeaderEvidence:
    """Weigh what the columns show.

    Args:
        names: the fields of the first record, stripped.
        below: the fields of records of the same width, stripped.
        declared: names that hyperparameters use.
        is_first: whether this is the first part of a channel.
    """
    if any(name in declared for name in names):
        return HeaderEvidence(True)
    # Files may have been concatenated.
    columns = [
        [field for field in column if not is_missing(field)]
        for column in zip(*(row for row in below if tuple(row) != tuple(names)), strict=True)
    ] or [[] for _ in names]
    n_above_numbers = sum(
        _is_name(name) and _are_numbers(column) for name, column in zip(names, columns, strict=True)
    )
    n_occurring = sum(
        _is_text(name) and name in column for name, column in zip(names, columns, strict=True)
    )
    given = [name for name in names if _is_text(name)]
    are_distinct = len(set(given)) == len(given)
    if n_above_numbers:
        if n_occurring and (n_above_numbers <= n_occurring or not are_distinct):
            return HeaderEvidence(False, is_doubtful=True)
        return HeaderEvidence(True)
    if not is_first or len(names) < 2:
        return HeaderEvidence(False)
    repeats = any(tuple(row) == tuple(names) for row in below)  # As rows do, and names hardly ever.
    if all(map(_is_text, names[1:])):  # The first column often holds the target.
        is_new = not repeats and all(
            name not in column for name, column in zip(names, columns, strict=True)
        )
        return HeaderEvidence(is_new and are_distinct, is_doubtful=not is_new or not are_distinct)
    is_usable = are_distinct and not n_occurring and not repeats
    return _of_distinctness(names, columns, is_usable=is_usable)


def _of_distinctness(names: Sequence[str], columns: Rows, *, is_usable: bool) -> HeaderEvidence:
    """What names show some of which are numbers, such as years."""
    if is_usable and _counts(names, columns):
        return HeaderEvidence(True, is_doubtful=True)
    has_name = any(map(_is_name, names))
    fits = all(
        _is_new(name, column) if _is_text(name) else _may_be_a_name(name)
        for name, column in zip(names, columns, strict=True)
    )
    return HeaderEvidence(has_name and is_usable and fits, is_doubtful=has_name and is_usable)


def _is_text(field: str) -> bool:
    return parse_number(field) is None


def _is_name(field: str) -> bool:
    return _is_text(field) and field.lower() not in _PLACEHOLDERS


def _are_numbers(column: Sequence[str]) -> bool:
    return bool(column) and not any(map(_is_text, column))


def _is_new(name: str, column: Sequence[str]) -> bool:
    """Whether a text does not occur in a column of text whose values occur again and again."""
    return (
        len(column) >= _ENOUGH_ROWS and name not in column and 2 * len(set(column)) <= len(column)
    )


def _may_be_a_name(field: str) -> bool:
    """Whether a field is empty or a whole number, such as a year."""
    return not field or field.isdecimal()


def _counts(names: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Whether the names are 0, 1, 2, ... or years above columns in which they are strange."""
    if len(names) < _FEWEST_NUMBERED or not all(name.isdecimal() for name in names):
        return False
    if {int(after) - int(name) for name, after in pairwise(names)} != {1}:
        return False
    if max(map(len, columns)) < _ENOUGH_ROWS:
        return False
    strange = [
        bool(column)
        and (
            any(map(_is_text, column))
            or not all(field.lstrip("-").isdecimal() for field in column)
            or not min(map(float, column)) <= float(name) <= max(map(float, column))
        )
        for name, column in zip(names, columns, strict=True)
    ]
    return 2 * sum(strange) >= len(strange)
