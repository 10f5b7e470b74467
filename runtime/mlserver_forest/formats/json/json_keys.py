"""The columns of objects that leave out missing values, as Spark, Glue and pandas' users write."""

from collections.abc import Iterable, Sequence
from typing import Any


def merged(names: Sequence[str], rows: Iterable[Any]) -> tuple[str, ...]:
    """The columns of some rows, in the order that the rows agree on.

    Args:
        names: the columns that are known.
        rows: objects, and others, which are skipped. A key that is not known goes behind the key
            before it, or before the key behind it, or to the end.
    """
    found, known = list(names), set(names)
    for row in rows:
        if type(row) is dict and not row.keys() <= known:
            _insert(found, known, list(row))
    return tuple(found)


def _insert(found: list[str], known: set[str], keys: list[str]) -> None:
    for place, key in enumerate(keys):
        if key in known:
            continue
        behind = next((other for other in keys[place + 1 :] if other in known), None)
        if place:
            found.insert(found.index(keys[place - 1]) + 1, key)
        elif behind is not None:
            found.insert(found.index(behind), key)
        else:
            found.append(key)
        known.add(key)


def keep_order(row: Iterable[str], places: dict[str, int]) -> bool:
    """Whether the keys of a row come in the order of the columns."""
    last = -1
    for key in row:
        place = places.get(key, last)
        if place < last:
            return False
        last = place
    return True
