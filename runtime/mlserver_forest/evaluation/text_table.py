"""A table of text for a terminal."""

from collections.abc import Iterable, Mapping, Sequence


def text_table(rows: Iterable[Sequence[str]], *, n_left: int = 1) -> list[str]:
    """The lines of a table whose columns are aligned, two blanks apart.

    Args:
        rows: the cells of each row, the head first; all of the same length.
        n_left: how many columns, from the first on, are aligned to the left; the others, which
            hold numbers, to the right.
    """
    found = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*found, strict=True)]
    return ["  ".join(_aligned(row, widths, n_left)).rstrip() for row in found]


def _aligned(row: Sequence[str], widths: Sequence[int], n_left: int) -> Iterable[str]:
    for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.ljust(width) if column < n_left else cell.rjust(width)


def metric_table(metrics: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The metrics as a person reads them: a row for each, a column for each set of rows."""
    sets = {prefix: found for prefix, found in metrics.items() if found}
    names = dict.fromkeys(name for found in sets.values() for name in found)
    rows = [["", *(prefix.replace("_", " ") for prefix in sets)]]
    for name in names:
        cells = (f"{found[name]:.4g}" if name in found else "" for found in sets.values())
        rows.append([name.replace("_", " "), *cells])
    return text_table(rows)
