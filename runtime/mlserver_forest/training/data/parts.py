"""A part of a channel: a file, a stream, or a record that holds a file's content."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from mlserver_forest.errors import InvalidData

_GZIP = b"\x1f\x8b"
_BUFFER_BYTES = 2**16


@dataclass(frozen=True, eq=False)
class Part:
    """Bytes that are read once, from the first to the last.

    Attributes:
        name: for error messages.
        stream: the bytes as they are stored; ``inflated`` inflates them.
        path: of the file, if it can be opened again.
    """

    name: str
    stream: BinaryIO
    path: Path | None = None

    @contextmanager
    def inflated(self) -> Iterator[BinaryIO]:
        """The bytes; gzip, which is recognized by its first two bytes, is inflated.

        Raises:
            InvalidData: if reading fails.
        """
        buffered = io.BufferedReader(cast("io.RawIOBase", self.stream), _BUFFER_BYTES)
        try:
            if buffered.peek(len(_GZIP)).startswith(_GZIP):
                yield cast("BinaryIO", gzip.GzipFile(fileobj=buffered))
            else:
                yield cast("BinaryIO", buffered)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InvalidData(f"{self.name} is damaged: its gzip stream fails: {error}") from error
        except OSError as error:
            raise InvalidData(f"{self.name} cannot be read: {error.strerror or error}") from error
        finally:
            buffered.detach()
