"""application/jsonlines: one row per line in, one object per line out.

A row has any shape that ``json_rows`` reads; a row of one value may be the bare value. Lines end
with LF or CRLF; a byte order mark and blank lines are skipped.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from mlserver_forest.formats.json.json_objects import object_texts
from mlserver_forest.formats.json.json_rows import JsonRows
from mlserver_forest.formats.json.json_source import (
    JsonSource,
    Sizes,
    give_way,
)
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.parsing import ParsedRows, ParsePolicy, PlanColumns
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.formats.source import Source
from mlserver_forest.formats.text_encoding import BYTE_ORDER_MARK

# Returns the next bytes, at most as many as are asked for; none at the end.
Read = Callable[[int], bytes]

_COPIED_BYTES = 2**20
# A line with any other value is a row of one value.
_ROWS = {list, dict}
_SHAPES = 'expected one row per line, such as [...] or {"features": [...]}'


def parse(
    source: Source,
    plan_columns: PlanColumns,
    policy: ParsePolicy,
    parameters: Mapping[str, str],
    sizes: Sizes | None = None,
) -> Iterator[ParsedRows]:
    """Parse rows; see ``source.Parse``.

    Args:
        source: the text.
        plan_columns: called with the columns of the first row.
        policy: the errors to raise.
        parameters: of the media type; none counts.
        sizes: of the blocks, if they are not those of the policy.
    """
    content = source.content
    read = reader_of(content) if isinstance(content, bytes | bytearray) else content.read
    return parse_lines(read, plan_columns, JsonSource.of(source, policy, sizes))


def parse_lines(read: Read, plan_columns: PlanColumns, source: JsonSource) -> Iterator[ParsedRows]:
    """Read one row per line.

    Args:
        read: gives the text, UTF-8.
        plan_columns: called with the columns of the first row.
        source: of the text.

    Raises:
        policy.invalid: naming line and column, the value and what was expected; or if a request
            has no row.
        policy.too_large: if a line is too long.
    """
    rows, n_rows, n_lines = JsonRows(plan_columns, source), 0, 0

    def next_line() -> int:
        return n_lines + 1

    for text in line_blocks(read, source, next_line):
        if n_lines:
            give_way()
        lines = text.removesuffix(b"\n").split(b"\n")
        values, numbers = parse_block(lines, n_lines + 1, source)
        if values:
            locations = RowLocations(source.name, "row", n_rows + 1)
            if source.policy.unit == "line":
                locations = RowLocations.of_lines(source.name, numbers)
            yield from rows.parse(values, locations)
        n_rows += len(values)
        n_lines += len(lines)
    if not n_rows and not source.name:
        raise source.policy.invalid(f"{source.title} is empty; {_SHAPES}")


def reader_of(body: Body) -> Read:
    """A function that returns the bytes of a body one after the other."""
    view, start = memoryview(body), 0

    def read(size: int) -> bytes:
        nonlocal start
        start += size
        return bytes(view[start - size : start])

    return read


def encode(predictions: Predictions) -> Iterator[bytes]:
    """One object per line, keyed by output; each line is ended."""
    for block in predictions.blocks():
        yield b"".join([text + b"\n" for text in object_texts(block)])


def write_file(answers: Iterator[Predictions]) -> Iterator[bytes]:
    """The same for the predictions of one or more consecutive chunks of rows."""
    for predictions in answers:
        yield from encode(predictions)


def join(paths: Sequence[Path]) -> Iterator[bytes]:
    """Files of ``write_file`` as one."""
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(_COPIED_BYTES):
                yield block


def line_blocks(read: Read, source: JsonSource, next_line: Callable[[], int]) -> Iterator[bytes]:
    """Whole lines, some at a time; ``next_line`` returns the number of the next one."""
    sizes = source.sizes
    text = read(sizes.block).removeprefix(BYTE_ORDER_MARK)
    while more := read(sizes.block):
        end = text.rfind(b"\n") + 1
        if end:
            yield text[:end]
        elif len(text) > sizes.longest:
            raise source.policy.too_large(
                f"{_place(next_line(), source)} takes more than {sizes.longest} bytes, which is "
                f"the most that one row may take; {_SHAPES}"
            )
        text = text[end:] + more
    if text:
        yield text


def parse_block(
    lines: Sequence[bytes], first: int, source: JsonSource
) -> tuple[list[Any], Sequence[int]]:
    """The rows of some lines, and the lines in which they stand."""
    numbers: Sequence[int] = range(first, first + len(lines))
    try:
        rows = list(map(orjson.loads, lines))
    except orjson.JSONDecodeError:
        numbers = [n for n, line in zip(numbers, lines, strict=True) if line.strip()]
        rows = [_loads(lines[n - first], n, source) for n in numbers]
    if set(map(type, rows)) <= _ROWS:
        return rows, numbers
    return [row if type(row) in _ROWS else [row] for row in rows], numbers


def _loads(line: bytes, number: int, source: JsonSource) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise source.not_json(error, f"column {error.pos + 1}", f"line {number}") from error


def _place(line: int, source: JsonSource) -> str:
    return f"{source.name}, line {line}" if source.name else f"line {line}"
