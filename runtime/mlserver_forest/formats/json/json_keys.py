"""The columns of objects that leave out missing values, as Spark, Glue and pandas' users write."""

from collections.abc import Iterable, Sequence
from typing import Any

# The keys of an object, in their order.
Shape = tuple[str, ...]


def shapes_of(rows: Iterable[Any]) -> Iterable[Shape]:
    """The different shapes of those rows that are objects, in the order in which they occur."""
    return dict.fromkeys(tuple(row) for row in rows if type(row) is dict)


def merged(names: Sequence[str], shapes: Iterable[Shape]) -> tuple[str, ...]:
    """The columns of some rows, in the order that the rows agree on.

    Args:
        names: the columns that are known.
        shapes: of the rows. A key that is not known goes behind the key before it, or before the
            key behind it, or to the end.
    """
    found, known = list(names), set(names)
    for keys in shapes:
        if not known.issuperset(keys):
            _insert(found, known, keys)
    return tuple(found)


def _insert(found: list[str], known: set[str], keys: Shape) -> None:
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
