"""Text cut into blocks of whole lines, or of whole records, that can be parsed apart.

A block begins with a line. Where a block ends is found by a function that knows whether the
records of the format may hold line ends.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO

import numpy as np

from mlserver_forest.errors import ForestError
from mlserver_forest.formats.matrix import MOST_UNNAMED_COLUMNS, Body
from mlserver_forest.formats.parsing import ParsePolicy
from mlserver_forest.formats.source import Source
from mlserver_forest.formats.text_encoding import BYTE_ORDER_MARK

# DOS ended texts with it, and some programs still do.
_END_MARK = b"\x1a"
_NEWLINE = 0x0A

# (text, start, stop) -> where the last whole record between the two places ends, counted from the
# start of the text; 0 if none ends there.
FindEnd = Callable[[Body, int, int], int]


class TextBlock:
    """Whole records of a text.

    Args:
        name: of the file or stream; empty for a request body.
        text: the bytes, which should be UTF-8; a view if they are a part of a body.
        first_line: the number of the first line, from 1; or what counts the lines before it.

    Attributes:
        name: as given.
        text: as given.
    """

    __slots__ = ("_first_line", "name", "text")

    def __init__(
        self, name: str, text: Body | memoryview, first_line: int | Callable[[], int] = 1
    ) -> None:
        self.name = name
        self.text = text
        self._first_line = first_line

    @property
    def first_line(self) -> int:
        """The number of the first line, from 1."""
        return self._first_line if isinstance(self._first_line, int) else self._first_line()

    def content(self) -> bytes:
        """The text as bytes, copied unless it is that already."""
        return bytes(self.text)

    def at_line(self, line: int) -> str:
        """The location of a line of the text, for error messages."""
        return f"{self.name}, line {line}" if self.name else f"line {line}"


class _LineCounter:
    """Counts the lines of a body up to places that ascend, when they are asked for."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._place = 0
        self._line = 1

    def at(self, place: int) -> int:
        """The number of the line that begins at a place."""
        self._line += count_lines(self._body, self._place, place)
        self._place = place
        return self._line


def text_blocks(source: Source, end: FindEnd, policy: ParsePolicy) -> Iterator[TextBlock]:
    """The text of a source as blocks.

    Args:
        source: the text, with or without a byte order mark.
        end: finds where the last whole record ends.
        policy: how many bytes a block has, unless a record is longer, and a row may have.

    Raises:
        ForestError: the policy's error, naming the line of a record that is too long.
    """
    content = source.content
    if isinstance(content, bytes | bytearray):
        return _blocks_of_body(content, end, policy, source.width or MOST_UNNAMED_COLUMNS)
    return _blocks_of_stream(content, source.name, end, policy)


def _blocks_of_body(
    body: Body, end: FindEnd, policy: ParsePolicy, width: int
) -> Iterator[TextBlock]:
    """Blocks that share the memory of the body."""
    body = _without_end_mark(body)
    start = len(BYTE_ORDER_MARK) if body.startswith(BYTE_ORDER_MARK) else 0
    if not start and len(body) <= policy.block_bytes:
        yield TextBlock("", body)
        return
    view, lines = memoryview(body), _LineCounter(body)
    while start < len(body):
        size = policy.block_bytes
        stop = _stop(body, end, start, size)
        while stop <= start:
            if size > policy.longest_row(width):
                raise too_long("", lines.at(start), policy, policy.longest_row(width))
            size *= 2
            stop = _stop(body, end, start, size)
        yield TextBlock("", view[start:stop], partial(lines.at, start))
        start = stop


def _stop(body: Body, end: FindEnd, start: int, size: int) -> int:
    return len(body) if start + size >= len(body) else end(body, start, start + size)


def _blocks_of_stream(
    stream: BinaryIO, name: str, end: FindEnd, policy: ParsePolicy
) -> Iterator[TextBlock]:
    """Blocks that are read as they are asked for."""
    text, line = stream.read(policy.block_bytes).removeprefix(BYTE_ORDER_MARK), 1
    while more := stream.read(policy.block_bytes):
        stop = end(text, 0, len(text))
        if stop:
            yield TextBlock(name, text[:stop], line)
            line += count_lines(text, 0, stop)
        elif len(text) > policy.longest_row(0):
            raise too_long(name, line, policy, policy.longest_row(0))
        text = text[stop:] + more
    text = bytes(_without_end_mark(text))
    if text:
        yield TextBlock(name, text, line)


def _without_end_mark(text: Body) -> Body:
    if _END_MARK not in text[-4:]:
        return text
    return text.rstrip(_END_MARK + b"\r\n") + b"\n"


def count_lines(text: Body, start: int = 0, stop: int | None = None) -> int:
    """The lines that end between two places; CR, LF and CRLF end one."""
    stop = len(text) if stop is None else stop
    # In many lines NumPy finds the ends seven times as fast as ``bytes.count``.
    n_lines = int(np.count_nonzero(np.frombuffer(text, np.uint8, stop - start, start) == _NEWLINE))
    if text.find(b"\r", start, stop) >= 0:
        n_lines += text.count(b"\r", start, stop) - text.count(b"\r\n", start, stop)
    return n_lines


def too_long(name: str, line: int, policy: ParsePolicy, most_bytes: int) -> ForestError:
    """The error for a row that has more bytes than the policy allows."""
    return policy.invalid(
        f"{TextBlock(name, b'').at_line(line)}: a row of more than {most_bytes} bytes begins here; "
        "was a quote left open, or is this another format?"
    )
