"""What pyarrow's writers write, taken out in blocks while they write."""

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa


class Blocks:
    """A sink for one of pyarrow's writers.

    Attributes:
        file: to be given to the writer.
    """

    def __init__(self) -> None:
        self._sink = io.BytesIO()
        self.file: Any = pa.PythonFile(_Forgetful(self._sink), mode="w")

    def take(self, least: int) -> Iterator[bytes]:
        """What was written since the last time, if it has so many bytes."""
        if self._sink.tell() > least or (self._sink.tell() and not least):
            yield self._sink.getvalue()
            self._sink.seek(0)
            self._sink.truncate()


class _Forgetful:
    """A file that knows how much was written to it, and keeps only what was not taken."""

    closed = False

    def __init__(self, sink: io.BytesIO) -> None:
        self._sink = sink
        self._n_bytes = 0

    def write(self, data: Any) -> int:
        self._n_bytes += memoryview(data).nbytes
        return self._sink.write(data)

    def tell(self) -> int:
        return self._n_bytes

    def flush(self) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        """What was written stays, to be taken."""
