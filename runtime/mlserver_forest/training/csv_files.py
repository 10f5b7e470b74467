"""One CSV file, label first -> labels and features; a fault is named with its line.

Arrow reads what is well formed. Where it finds a fault, or anything that it reads
otherwise than serving does, a careful reader goes through the file again: it names the
fault, or reads the file by serving's own rules.
"""

import csv
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

# What parse_number reads as missing; Arrow knows only what it is told.
_MISSING = ["", "nan", "NaN", "NAN", "Nan"]
_LARGEST = float(np.finfo(np.float32).max)
_GZIP = b"\x1f\x8b"

Record = tuple[int, list[str]]
Labels = NDArray[np.object_]
Features = NDArray[np.float32]


@dataclass(frozen=True)
class CsvFile:
    """Where a file is and how it is laid out.

    Attributes:
        path: the file.
        names: of the features, from the header, else ``feature_0`` and so on.
        has_header: whether the first record holds names.
        n_rows: the records after the header.
        first_line: the line of the first record, counted from 1.
    """

    path: Path
    names: tuple[str, ...]
    has_header: bool
    n_rows: int
    first_line: int

    def place(self, row: int) -> str:
        """File and line of a row, for error messages."""
        line, _ = next(islice(_records(self.path), row + self.has_header, None))
        return f"{self.path}, line {line}"

    def header_place(self) -> str:
        return f"{self.path}, line {self.first_line}"


def read_csv_file(path: Path, header: str) -> tuple[CsvFile, Labels, Features]:
    """Read a file.

    Args:
        path: the file; not empty.
        header: "present", "absent" or "auto": the first record is a header if each of
            its fields after the first is a word, or if any is and the second record
            holds numbers only.

    Returns:
        What the file is, its labels as stripped text (n_rows,), and its features
        (n_rows, n_features).

    Raises:
        InvalidData: naming file and line, what came and what was expected.
    """
    _refuse_gzip(path)
    top = list(islice(_records(path), 2))
    if not top:
        raise InvalidData(f"{path} holds only empty lines; expected rows of label,value,...")
    line, first = top[0]
    if len(first) < 2:
        raise InvalidData(
            f"{path}, line {line}: {quoted(','.join(first))} has no feature; "
            "expected label,value,... separated by commas"
        )
    has_header = header == "present" or (header == "auto" and _looks_like_header(top))
    width = len(first)
    names = _feature_names(path, top[0]) if has_header else _numbered(width - 1)
    read = _read_fast(path, width, has_header) or _read_carefully(path, top[0], has_header)
    labels, features = read
    return CsvFile(path, names, has_header, len(labels), line), labels, features


def _read_fast(path: Path, width: int, has_header: bool) -> tuple[Labels, Features] | None:
    """Read a well-formed file; None where a closer look is needed."""
    columns = [str(i) for i in range(width)]
    types = {name: pa.float64() if i else pa.string() for i, name in enumerate(columns)}
    try:
        with path.open("rb") as file:  # Given a name, Arrow would guess a compression from it.
            table = pyarrow.csv.read_csv(
                file,
                pyarrow.csv.ReadOptions(
                    column_names=columns, skip_rows_after_names=int(has_header)
                ),
                pyarrow.csv.ParseOptions(newlines_in_values=True),
                pyarrow.csv.ConvertOptions(
                    column_types=types, null_values=_MISSING, strings_can_be_null=False
                ),
            )
    except pa.ArrowInvalid:
        return None
    features = np.empty((table.num_rows, width - 1), np.float32)
    for i in range(1, width):
        column = table.column(i).to_numpy()
        if (np.abs(column) > _LARGEST).any():
            return None
        features[:, i - 1] = column
    labels = np.array([label.strip() for label in table.column(0).to_pylist()], dtype=object)
    return labels, features


def _read_carefully(path: Path, first: Record, has_header: bool) -> tuple[Labels, Features]:
    labels, rows = [], []
    for line, record in islice(_records(path), int(has_header), None):
        if len(record) != len(first[1]):
            raise InvalidData(
                f"{path}, line {line}: {len(record)} values; "
                f"line {first[0]} has {len(first[1])} (label first)"
            )
        labels.append(record[0].strip())
        rows.append([_feature(path, line, i, field) for i, field in enumerate(record[1:], 2)])
    width = len(first[1]) - 1
    return np.array(labels, dtype=object), np.array(rows, np.float32).reshape(-1, width)


def _feature(path: Path, line: int, column: int, field: str) -> float:
    value = parse_number(field)
    if value is None or abs(value) > _LARGEST:
        raise InvalidData(
            f"{path}, line {line}, column {column}: {quoted(field)} is not a finite 32-bit "
            "number; features must be numbers, with the label in column 1 "
            "(if this line is a header, set the hyperparameter header=present)"
        )
    return value


def _looks_like_header(top: Sequence[Record]) -> bool:
    words = [parse_number(field) is None for field in top[0][1][1:]]
    if all(words) or len(top) == 1:
        return all(words)
    return any(words) and all(parse_number(field) is not None for field in top[1][1][1:])


def _feature_names(path: Path, first: Record) -> tuple[str, ...]:
    line, record = first
    names = tuple(name.strip() for name in record[1:])
    if "" in names or len(set(names)) != len(names):
        raise InvalidData(
            f"{path}, line {line}: the header {quoted(list(names))} has an empty or repeated name; "
            "give each column its own"
        )
    return names


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"feature_{i}" for i in range(count))


def _refuse_gzip(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(len(_GZIP))
    except OSError as error:
        raise InvalidData(f"{path} cannot be read: {error.strerror}") from error
    if start == _GZIP:
        raise InvalidData(f"{path} is compressed; this version reads plain CSV, so unzip it")


def _records(path: Path) -> Iterator[Record]:
    """The records that are not empty, each with the number of its first line."""
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader: Any = csv.reader(file)
            for record in reader:
                if record:
                    yield line, record
                line = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    except (OSError, csv.Error) as error:
        raise InvalidData(f"{path}, line {line} cannot be read as CSV: {error}") from error


def _not_utf8(path: Path) -> InvalidData:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                place = f"{path}, line {number}, byte {error.start + 1}"
                return InvalidData(f"{place} is not UTF-8 text; expected CSV in UTF-8")
    return InvalidData(f"{path} is not UTF-8 text; expected CSV in UTF-8")
