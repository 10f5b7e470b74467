"""A channel's files -> Table."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.quoting import quoted
from mlserver_forest.training.config import Channel
from mlserver_forest.training.csv_files import CsvFile, read_csv_file

_CSV_TYPES = frozenset({"text/csv", "csv"})


@dataclass(frozen=True)
class Table:
    """The rows of a channel: a label first, numbers after it.

    Attributes:
        names: of the features, from the header, else ``feature_0`` and so on.
        labels: (n_samples,) the first column as text, stripped.
        features: float32 (n_samples, n_features), NaN where a field is empty.
        files: what each file holds, in the order of the rows.
    """

    names: tuple[str, ...]
    labels: NDArray[np.object_]
    features: NDArray[np.float32]
    files: tuple[CsvFile, ...]

    @property
    def has_header(self) -> bool:
        return self.files[0].has_header

    def place(self, row: int) -> str:
        """File and line of a row, for error messages."""
        for file in self.files:
            if row < file.n_rows:
                return file.place(row)
            row -= file.n_rows
        raise IndexError(row)


def read_channel(channel: Channel, header: str) -> Table:
    """Read all CSV files of a channel, in the order of their paths.

    Nested folders are read; names that start with a dot or an underscore, and
    empty files, are skipped.

    Args:
        channel: where the files are, and their content type.
        header: "present", "absent" or "auto".

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
    paths = list(_data_files(channel))
    if not paths:
        state = "holds no data file" if channel.directory.exists() else "does not exist"
        raise InvalidData(f"channel {channel.name!r} is empty: {channel.directory} {state}")
    files, labels, features = zip(*(read_csv_file(path, header) for path in paths), strict=True)
    first = files[0]
    for file in files[1:]:
        if file.names != first.names:
            raise InvalidData(
                f"{file.header_place()}: columns {quoted(list(file.names))} differ from those of "
                f"{first.path} {quoted(list(first.names))}; give all files the same columns"
            )
    if not any(file.n_rows for file in files):
        raise InvalidData(f"{first.path} has a header and no row; add rows of label,value,...")
    return Table(first.names, np.concatenate(labels), np.concatenate(features), files)


def _data_files(channel: Channel) -> Iterator[Path]:
    if channel.directory.is_file():
        raise InvalidData(
            f"channel {channel.name!r} is empty: {channel.directory} is a file; expected a folder"
        )
    seen = set()
    for folder, folders, names in os.walk(
        channel.directory, onerror=_refuse_folder, followlinks=True
    ):
        real = os.path.realpath(folder)
        folders[:] = () if real in seen else sorted(name for name in folders if _is_data(name))
        if real in seen:  # A link led back to a folder that was read.
            continue
        seen.add(real)
        for name in sorted(filter(_is_data, names)):
            path = Path(folder, name)
            if not path.exists():
                raise InvalidData(f"{path} is a link that leads nowhere; remove it")
            if path.stat().st_size > 0:
                yield path


def _is_data(name: str) -> bool:
    return not name.startswith((".", "_"))


def _refuse_folder(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise InvalidData(f"{error.filename} cannot be read: {error.strerror}") from error
