"""The log, written by a thread, so that no request waits until somebody reads it."""

import logging
import os
import threading
from collections import deque
from time import monotonic

# When nobody reads the log, lines beyond these are dropped and counted.
_MOST_CHARACTERS = 8 << 20
_END_SECONDS = 1.0
_STDOUT = 1


class LogWriter:
    """Writes lines to a file descriptor from a thread of its own.

    A pipe that nobody reads, or a disk that is full, then stops the thread and no request. Each
    process has its own thread: one that was forked starts another one with its first line.
    """

    def __init__(self, descriptor: int = _STDOUT) -> None:
        self._descriptor = descriptor
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lines: deque[str] = deque()
        self._has_lines = threading.Condition()
        self._is_writing = False
        self._n_characters = 0
        self._n_dropped = 0
        self._thread: threading.Thread | None = None

    def put(self, line: str) -> None:
        """Write a line, which ends with a line end, soon, or drop it if too many are waiting."""
        with self._has_lines:
            if self._n_characters + len(line) > _MOST_CHARACTERS:
                self._n_dropped += 1
                return
            if self._thread is None and not self._start():
                self._write_line(line.encode())
                return
            self._lines.append(line)
            self._n_characters += len(line)
            self._has_lines.notify()

    def flush(self) -> None:
        """Wait until all lines are written, for a second at most."""
        deadline = monotonic() + _END_SECONDS
        with self._has_lines:
            while (self._lines or self._is_writing) and monotonic() < deadline:
                self._has_lines.wait(deadline - monotonic())

    def _start(self) -> bool:
        """Start the thread; a container may be allowed no more threads."""
        thread = threading.Thread(target=self._write, name="log", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread = thread
        return True

    def _write(self) -> None:
        while True:
            with self._has_lines:
                self._is_writing = False
                self._has_lines.notify_all()
                while not self._lines:
                    self._has_lines.wait()
                line = self._lines.popleft()
                self._n_characters -= len(line)
                self._is_writing = True
                if self._n_dropped and not self._lines:
                    line += f"{self._n_dropped} lines were dropped, because the log was not read\n"
                    self._n_dropped = 0
            self._write_line(line.encode())

    def _write_line(self, line: bytes) -> None:
        """Write a line at once, so that what other processes write cannot split it."""
        view = memoryview(line)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:  # A full disk, or a pipe that was closed: the line is lost.
            return


class LogHandler(logging.Handler):
    """Hands records to a ``LogWriter``, on standard output."""

    def __init__(self) -> None:
        super().__init__()
        self._writer = LogWriter()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record soon."""
        try:
            self._writer.put(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001  # as logging's own handlers do
            self.handleError(record)

    def flush(self) -> None:
        """Wait for what was logged, for a second at most."""
        self._writer.flush()
