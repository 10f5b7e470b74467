"""The categories of a data frame's columns -> those of a schema, in the order of their codes."""

from collections.abc import Sequence
from typing import Any

from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.formats.category_values import text_of
from mlserver_forest.schema.categories import BOOLEAN, Categories


def categories_of(
    column: int, values: Sequence[Any], *, refuses_unseen: bool = False
) -> Categories | None:
    """The categories of a column; None if they are their own codes, 0, 1, 2, ...

    Args:
        column: counted from 0, for error messages.
        values: the categories in the order of their codes: text, numbers, or true and false.
        refuses_unseen: as in ``Categories``.

    Raises:
        UnsupportedEstimator: if a request could not name them.
    """
    values = [_plain(value) for value in values]
    if all(type(value) is bool for value in values) and values == [False, True]:
        return BOOLEAN
    if all(type(value) is int for value in values) and values == list(range(len(values))):
        return None
    names = [text_of(value) for value in values]
    texts = [name.strip() for name in names if name is not None]
    if len(set(texts)) != len(values):
        raise UnsupportedEstimator(
            f"column {column + 1} has the categories {format_value(values[:3])}, ..., which "
            "a request cannot name: expected different texts, whole numbers, or true and false; "
            "train it on their codes (.cat.codes)"
        )
    return Categories(tuple(texts), refuses_unseen=refuses_unseen)


def _plain(value: Any) -> Any:
    """A value of Python; a float that is whole becomes an integer."""
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value
