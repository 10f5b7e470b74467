"""The place of a row for error messages: of a request, or whatever a file's reader knows."""

from collections.abc import Callable

# Takes the number of a row, counted from 0.
Where = Callable[[int], str]


def in_request(row: int) -> str:
    """The place of a row of a request, which needs no name."""
    return f"row {row + 1}"
