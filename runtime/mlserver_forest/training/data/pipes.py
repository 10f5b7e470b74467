"""The streams of a channel in Pipe mode: a FIFO for each pass, which may appear late.

SageMaker makes ``<channel>_0``, ``<channel>_1`` and so on under input/data, and writes
to each once it is opened; AWS's docs, "How Amazon SageMaker AI Provides Training Information".
"""

import io
import logging
import os
import select
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.files.parts import Part
from mlserver_forest.training.config import Channel
from mlserver_forest.training.data.record_stream import record_streams

T = TypeVar("T")

_POLL_SECONDS = 0.05
_BUFFER_BYTES = 2**20

_log = logging.getLogger(__name__)


class Pipe:
    """A channel's streams.

    Args:
        channel: in Pipe mode.
        splits: whether each record of a stream with RecordIO framing is a part of its own.
        longest_wait: for a FIFO to appear and be written to, in seconds.
        message_every: the seconds between messages in the log about what is awaited.

    Attributes:
        names: the stream of the last pass.
        n_bytes: the bytes that were read in the last pass.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        splits: bool,
        longest_wait: float = 1800,
        message_every: float = 30,
    ) -> None:
        self.names: tuple[str, ...] = ()
        self.n_bytes = 0
        self._channel = channel
        self._splits = splits and channel.record_wrapper == "RecordIO"
        self._longest_wait = longest_wait
        self._message_every = message_every
        self._epoch = 0

    def parts(self) -> Generator[Part]:
        """The next stream, for another pass, or each of its records.

        Raises:
            InvalidData: if the FIFO does not appear, or its framing is damaged.
        """
        path = self._channel.directory.with_name(f"{self._channel.name}_{self._epoch}")
        self._epoch += 1
        self.names, self.n_bytes = (str(path),), 0
        with _Counted(self._opened(path)) as stream:
            if self._splits:
                yield from _records(stream, str(path))
            else:
                yield Part(str(path), cast("BinaryIO", stream))
            self.n_bytes = stream.n_bytes

    def _opened(self, path: Path) -> int:
        """The descriptor of the FIFO, once it exists and has data, or its writer has left."""
        descriptor = self._wait(f"{path} does not exist", lambda: _open(path))
        # Before a writer comes, a read would find the end of the stream.
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        try:
            self._wait(f"{path} has no writer", lambda: poll.poll(0) or None)
        except BaseException:
            os.close(descriptor)
            raise
        os.set_blocking(descriptor, True)
        return descriptor

    def _wait(self, state: str, attempt: Callable[[], T | None]) -> T:
        start = time.monotonic()
        n_messages = 1
        while (found := attempt()) is None:
            waited = time.monotonic() - start
            if waited > self._longest_wait:
                raise InvalidData(
                    f"channel {self._channel.name!r}: {state} after {waited:.0f} s; in Pipe mode "
                    "SageMaker makes a FIFO for each pass; use File or FastFile mode if it does not"
                )
            if waited > n_messages * self._message_every:
                _log.warning("channel %r: %s yet; waiting for it", self._channel.name, state)
                n_messages += 1
            time.sleep(_POLL_SECONDS)
        return found


class _Counted(io.FileIO):
    """A descriptor that is read once, and closed by ``with``."""

    n_bytes = 0

    def readinto(self, buffer: Any) -> int:
        n_read = super().readinto(buffer) or 0
        self.n_bytes += n_read
        return n_read


def _open(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidData(f"{path} cannot be opened: {error.strerror}") from error


def _records(stream: _Counted, name: str) -> Iterator[Part]:
    buffered = cast("BinaryIO", io.BufferedReader(stream, _BUFFER_BYTES))
    for number, record in enumerate(record_streams(buffered, name), 1):
        yield Part(f"{name}, record {number}", cast("BinaryIO", record))
