"""Outcomes that became known later -> the rows of a log, by the columns of a key."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.evaluation.command.labeled_file import named_columns
from mlserver_forest.evaluation.known_targets import text_of_value
from mlserver_forest.formats.field_values import parse_number

_Key = tuple[str, ...]


def join_labels(
    path: Path,
    target: str,
    key: Sequence[str],
    columns: Mapping[str, Sequence[Any]],
    are_numbers: Mapping[str, bool],
) -> tuple[list[str | None], int]:
    """Find the target of each row in a file.

    Args:
        path: the file, with the key's columns and the target's.
        target: the name of the target's column.
        key: the names of the key's columns.
        columns: of the log, by name, (n_samples,) values; those of a key are missing if one is
            None or empty.
        are_numbers: by name, whether the values are compared as numbers.

    Returns:
        (n_samples,) targets, None for a row that the file does not have; and the number of the
        file's rows that no row of the log belongs to.

    Raises:
        InvalidData: if the file has two targets for one key.
    """

    def place_of(values: Sequence[Any]) -> _Key:
        return tuple(
            _as_number(value) if are_numbers[name] else str(value).strip()
            for name, value in zip(key, values, strict=True)
        )

    labels = named_columns(path, [*key, target])
    known: dict[_Key, str | None] = {}
    for row, values in enumerate(zip(*(labels[name] for name in key), strict=True)):
        place, value = place_of(values), labels[target][row]
        if known.setdefault(place, value) != value:
            shown = ", ".join(f"{n} {format_value(v)}" for n, v in zip(key, place, strict=True))
            raise InvalidData(
                f"{path}: row {row + 1}: {target} is {format_value(value)} for {shown}, and "
                f"{format_value(known[place])} in an earlier row; expected one for each key"
            )
    rows = zip(*(columns[name] for name in key), strict=True)
    places = [place_of(values) if _is_whole(values) else None for values in rows]
    found = [None if place is None else known.get(place) for place in places]
    return found, len(known.keys() - _set(places))


def _is_whole(values: Collection[Any]) -> bool:
    return all(value is not None and value != "" for value in values)


def _set(places: Sequence[_Key | None]) -> set[_Key]:
    return {place for place in places if place is not None}


def _as_number(value: Any) -> str:
    number = parse_number(value) if isinstance(value, str) else value
    return text_of_value(value if number is None else float(number))
