"""The columns of a table, whatever kind of table it is."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.model.row_matrix import column_names, listed

_SHOWN = 12


def names_in(rows: Any) -> list[Any]:
    """The names of the columns; empty if they do not have any."""
    if isinstance(rows, list | tuple) and rows and isinstance(rows[0], Mapping):
        return list(rows[0])
    return column_names(rows) or []


def column_of(rows: Any, column: Any) -> list[Any]:
    """The Python values of a column.

    Args:
        rows: a table, as in ``matrix_from``.
        column: the name of a column, or (n_samples,) values, which are returned.

    Raises:
        InvalidInput: if there is no such column.
    """
    if not isinstance(column, str):
        return listed(column)
    names = names_in(rows)
    if column not in names:
        close = get_close_matches(column, map(str, names), 1)
        hint = f"did you mean {format_value(close[0])}? " if close else ""
        shown = ", ".join(map(format_value, names[:_SHOWN])) or "not named"
        raise InvalidInput(
            f"the table has no column {format_value(column)}; {hint}its columns are {shown}"
        )
    if isinstance(rows, list | tuple):
        return [row.get(column) for row in rows]
    return listed(rows[column])
