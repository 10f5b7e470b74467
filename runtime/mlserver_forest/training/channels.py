"""A channel's files -> Table."""

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.quoting import quoted
from mlserver_forest.formats.text_csv import parse_number
from mlserver_forest.training.config import Channel

_CSV_TYPES = frozenset({"text/csv", "csv"})
# What Python's float() reads as missing, besides an empty field; Arrow must agree.
_MISSING = ["", "nan", "NaN", "NAN", "Nan"]
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Table:
    """The rows of a channel: a label first, numbers after it.

    Attributes:
        names: of the features, from the header, else ``feature_0`` and so on.
        labels: (n_samples,) the first column as text, None where it is empty.
        features: float32 (n_samples, n_features), NaN where a field is empty.
        files: each file with its number of rows and whether it has a header.
    """

    names: tuple[str, ...]
    labels: NDArray[np.object_]
    features: NDArray[np.float32]
    files: tuple[tuple[Path, int, bool], ...]

    def place(self, row: int) -> str:
        """File and line of a row, for error messages."""
        for path, count, header in self.files:
            if row < count:
                return f"{path}, line {_line_of(path, row + header)}"
            row -= count
        raise IndexError(row)


def read_channel(channel: Channel, header: str) -> Table:
    """Read all CSV files of a channel, in the order of their paths.

    Nested folders are read; names that start with a dot or an underscore, and
    empty files, are skipped.

    Args:
        channel: where the files are, and their content type.
        header: "present", "absent" or "auto": a first line whose every field
            after the first is no number is a header.

    Raises:
        InvalidData: naming file and line, what came and what was expected.
    """
    media_type, _, parameters = (channel.content_type or "text/csv").partition(";")
    if media_type.strip().lower() not in _CSV_TYPES:
        raise InvalidData(
            f"channel {channel.name!r} has ContentType {media_type!r}; this version reads text/csv"
        )
    for choice in ("present", "absent"):
        if f"header={choice}" in parameters.replace(" ", "").lower():
            header = choice
    paths = list(_data_files(channel.directory))
    if not paths:
        state = "holds no data file" if channel.directory.is_dir() else "does not exist"
        raise InvalidData(f"channel {channel.name!r} is empty: {channel.directory} {state}")
    parts = [_read_file(path, header) for path in paths]
    first = parts[0]
    for path, part in zip(paths[1:], parts[1:], strict=True):
        if part.names != first.names:
            raise InvalidData(
                f"{path}, line 1: columns {quoted(list(part.names))} differ from those of "
                f"{paths[0]} {quoted(list(first.names))}; give all files the same columns"
            )
    return Table(
        names=first.names,
        labels=np.concatenate([part.labels for part in parts]),
        features=np.concatenate([part.features for part in parts]),
        files=tuple(file for part in parts for file in part.files),
    )


def _data_files(directory: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if not _is_skipped(name))
        for name in sorted(names):
            path = Path(folder, name)
            if not _is_skipped(name) and path.stat().st_size > 0:
                yield path


def _is_skipped(name: str) -> bool:
    return name.startswith((".", "_"))


def _read_file(path: Path, header: str) -> Table:
    top = [record for _, record in islice(_records(path), 2)]
    if not top:
        raise InvalidData(f"{path} holds only empty lines; expected rows of label,value,...")
    width = len(top[0])
    if width < 2:
        raise InvalidData(
            f"{path}, line 1: {quoted(','.join(top[0]))} has no feature; "
            "expected label,value,... separated by commas"
        )
    has_header = header == "present" or (header == "auto" and _looks_like_header(top))
    names = _feature_names(path, top[0]) if has_header else _numbered(width - 1)
    columns = [f"{i}" for i in range(width)]
    try:
        table = pyarrow.csv.read_csv(
            path,
            pyarrow.csv.ReadOptions(column_names=columns, skip_rows=int(has_header)),
            pyarrow.csv.ParseOptions(newlines_in_values=True),
            pyarrow.csv.ConvertOptions(
                column_types={
                    name: pa.float64() if i else pa.string() for i, name in enumerate(columns)
                },
                null_values=_MISSING,
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        _name_fault(path, width, has_header)
        raise InvalidData(f"{path} is not CSV: {error}") from error
    features = np.empty((table.num_rows, width - 1), np.float32)
    for i in range(1, width):
        column = table.column(i).to_numpy()
        if (np.abs(column) > _LARGEST).any():
            _name_fault(path, width, has_header)
        features[:, i - 1] = column
    labels = np.array([label.strip() for label in table.column(0).to_pylist()], dtype=object)
    return Table(names, labels, features, ((path, table.num_rows, has_header),))


def _looks_like_header(top: Sequence[Sequence[str]]) -> bool:
    values = [parse_number(field) for field in top[0][1:]]
    return all(value is None for value in values)


def _feature_names(path: Path, record: Sequence[str]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in record[1:])
    if "" in names or len(set(names)) != len(names):
        raise InvalidData(
            f"{path}, line 1: the header {quoted(list(names))} has an empty or repeated name; "
            "give each column its own"
        )
    return names


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"feature_{i}" for i in range(count))


def _name_fault(path: Path, width: int, has_header: bool) -> None:
    """Go through a file that cannot be read, line by line, to the first fault."""
    for line, record in islice(_records(path), int(has_header), None):
        if len(record) != width:
            raise InvalidData(
                f"{path}, line {line}: {len(record)} values; line 1 has {width} (label first)"
            )
        for column, field in enumerate(record[1:], 2):
            value = parse_number(field)
            if value is None or abs(value) > _LARGEST:
                raise InvalidData(
                    f"{path}, line {line}, column {column}: {quoted(field)} is not a finite "
                    "32-bit number; features must be numbers, with the label in column 1"
                )


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The file's lines that are not empty, each with the number of its last line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader: Any = csv.reader(file)
            for record in reader:
                if record:
                    yield reader.line_num, record
    except UnicodeDecodeError as error:
        raise InvalidData(
            f"{path} is not UTF-8 text (byte {error.start + 1}); expected CSV"
        ) from error
    except (OSError, csv.Error) as error:
        raise InvalidData(f"{path} cannot be read as CSV: {error}") from error


def _line_of(path: Path, record: int) -> int:
    line, _ = next(islice(_records(path), record, None))
    return line
