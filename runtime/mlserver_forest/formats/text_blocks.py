"""Text cut into blocks of whole lines, or of whole records, that can be parsed apart.

A block begins with a line. Where a block ends is found by a function: ``lines_end``, or one
that knows a format whose records may hold line ends.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from mlserver_forest.errors import ForestError
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.parsing import ParsePolicy

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# Where the last whole line or record of a text between two places ends, counted from the start
# of the text; 0 if none ends there.
FindEnd = Callable[[Body, int, int], int]


@dataclass(slots=True)
class TextBlock:
    """Whole lines, or whole records, of a text.

    Attributes:
        name: of the file or stream; empty for a request body.
        text: the bytes, in UTF-8 if they are right; a view where they are part of a body.
        first_line: the number of the first line, from 1.
    """

    name: str
    text: Body | memoryview
    first_line: int = 1

    def content(self) -> bytes:
        """The text as bytes, copied unless it is that already."""
        return bytes(self.text)

    def at_line(self, line: int) -> str:
        """The location of a line of the text, for error messages."""
        return f"{self.name}, line {line}" if self.name else f"line {line}"


def blocks_of_body(
    body: Body, end: FindEnd, policy: ParsePolicy, width: int, block_bytes: int
) -> Iterator[TextBlock]:
    """A request body as blocks that share its memory.

    Args:
        body: the text, with or without a byte order mark.
        end: finds where the last whole record ends.
        policy: how long a row may be.
        width: the columns of a row, as far as they are known.
        block_bytes: the size of a block, unless a record is longer.

    Raises:
        ForestError: the policy's error, naming the line of a record that is too long.
    """
    start = len(BYTE_ORDER_MARK) if body.startswith(BYTE_ORDER_MARK) else 0
    if not start and len(body) <= block_bytes:
        yield TextBlock("", body)
        return
    view, line = memoryview(body), 1
    while start < len(body):
        size = block_bytes
        stop = _stop(body, end, start, size)
        while stop <= start:
            if size > policy.longest_row(width):
                raise too_long("", line, policy, policy.longest_row(width))
            size *= 2
            stop = _stop(body, end, start, size)
        yield TextBlock("", view[start:stop], line)
        line += count_lines(body, start, stop)
        start = stop


def _stop(body: Body, end: FindEnd, start: int, size: int) -> int:
    return len(body) if start + size >= len(body) else end(body, start, start + size)


def blocks_of_stream(
    stream: BinaryIO, name: str, end: FindEnd, policy: ParsePolicy, block_bytes: int
) -> Iterator[TextBlock]:
    """A stream as blocks, read as they are asked for.

    Args:
        stream: the text, with or without a byte order mark.
        name: of the file or stream, for error messages.
        end: finds where the last whole record ends.
        policy: how long a row may be.
        block_bytes: the bytes to read at a time.

    Raises:
        ForestError: the policy's error, naming the line of a record that is too long.
    """
    text, line = stream.read(block_bytes).removeprefix(BYTE_ORDER_MARK), 1
    while more := stream.read(block_bytes):
        stop = end(text, 0, len(text))
        if stop:
            yield TextBlock(name, text[:stop], line)
            line += count_lines(text, 0, stop)
        elif len(text) > policy.longest_row(0):
            raise too_long(name, line, policy, policy.longest_row(0))
        text = text[stop:] + more
    if text:
        yield TextBlock(name, text, line)


def lines_end(text: Body, start: int, stop: int) -> int:
    """Where the last whole line ends."""
    return text.rfind(b"\n", start, stop) + 1


def count_lines(text: Body, start: int, stop: int) -> int:
    """The lines that end between two places; CR, LF and CRLF end one."""
    n_lines = text.count(b"\n", start, stop)
    if text.find(b"\r", start, stop) >= 0:
        n_lines += text.count(b"\r", start, stop) - text.count(b"\r\n", start, stop)
    return n_lines


def too_long(name: str, line: int, policy: ParsePolicy, most_bytes: int) -> ForestError:
    """The error for a row that has more bytes than the policy allows."""
    return policy.invalid(
        f"{TextBlock(name, b'').at_line(line)}: a row of more than {most_bytes} bytes begins here; "
        "was a quote left open, or is this another format?"
    )
