"""A part of a table: a file, a stream, or a record that holds a file's content."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.files.compression import FAULTS, inflated
from mlserver_forest.formats.note import Note

_BUFFER_BYTES = 2**16


def _ignore(_: Note) -> None:
    """A part whose format is looked at needs no notes."""


@dataclass(frozen=True, eq=False)
class Part:
    """Bytes that are read once, from the first to the last.

    Attributes:
        name: for error messages.
        stream: the bytes as they are stored; ``inflated`` inflates them.
        path: of the file, if it can be opened again.
        partition: the columns whose value the names of the file's folders give.
        sheet: the sheet to read of an Excel workbook; None for the first one.
        note: is called if a workbook has other sheets.
    """

    name: str
    stream: BinaryIO
    path: Path | None = None
    partition: Mapping[str, str] = field(default_factory=dict)
    sheet: str | None = None
    note: Callable[[Note], None] = _ignore

    def is_plain(self, stream: BinaryIO) -> bool:
        """Whether the stream has the bytes as they are stored."""
        return isinstance(stream, io.BufferedReader) and stream.raw is self.stream

    @contextmanager
    def inflated(self) -> Iterator[BinaryIO]:
        """The bytes; gzip, bzip2, xz, zstd and a ZIP archive of one file are inflated, and a
        sheet of an Excel workbook is turned into CSV.

        Raises:
            InvalidData: if reading fails.
        """
        buffered = io.BufferedReader(cast("io.RawIOBase", self.stream), _BUFFER_BYTES)
        stored = cast("BinaryIO", buffered)
        try:
            found = inflated(stored, self.name, self.path, self.sheet, self.note)
            try:
                yield found
            finally:
                if found is not stored:
                    found.close()
        except FAULTS as error:
            raise InvalidData(
                f"{self.name} is damaged: its compressed stream fails: {error}"
            ) from error
        except OSError as error:
            raise InvalidData(f"{self.name} cannot be read: {error.strerror or error}") from error
        finally:
            buffered.detach()
