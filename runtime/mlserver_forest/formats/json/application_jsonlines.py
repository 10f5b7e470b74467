"""application/jsonlines: one row per line in, one object per line out.

A row has any shape that ``json_rows`` reads; a row of one value may be the bare value. Lines end
with LF or CRLF; a byte order mark and blank lines are skipped.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

import orjson
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.json.json_objects import object_texts
from mlserver_forest.formats.json.json_rows import JsonRows
from mlserver_forest.formats.json.json_source import BODY, BYTE_ORDER_MARK, JsonSource, give_way
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.parsing import ParsedRows, PlanColumns
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.formats.schema_reader import SchemaReader
from mlserver_forest.schema.schema import Schema

# Returns the next bytes, at most as many as are asked for; none at the end.
Read = Callable[[int], bytes]

# A line with any other value is a row of one value.
_ROWS = {list, dict}
_SHAPES = 'expected one row per line, such as [...] or {"features": [...]}'


def parse(read: Read, plan_columns: PlanColumns, source: JsonSource = BODY) -> Iterator[ParsedRows]:
    """Read one row per line.

    Args:
        read: gives the text, UTF-8.
        plan_columns: called with the columns of the first row.
        source: of the text.

    Raises:
        policy.invalid: naming line and column, the value and what was expected.
        policy.too_large: if a line is too long.
    """
    rows, n_rows = JsonRows(plan_columns, source), 0
    for first, text in _blocks(read, source):
        if first > 1:
            give_way()
        values, locations = _parse(text, first, source)
        if source.policy.unit == "row":
            locations = RowLocations(source.name, "row", n_rows + 1)
        if values:
            yield from rows.parse(values, locations)
        n_rows += len(values)


def reader_of(body: Body) -> Read:
    """A function that returns the bytes of a body one after the other."""
    view, start = memoryview(body), 0

    def read(size: int) -> bytes:
        nonlocal start
        start += size
        return bytes(view[start - size : start])

    return read


def decode(
    body: Body, schema: Schema, parameters: Mapping[str, str], source: JsonSource = BODY
) -> NDArray[Any]:
    """Read the rows of a request.

    Args:
        body: the text, UTF-8.
        schema: of the model.
        parameters: of the media type; none counts.
        source: of the text.

    Returns:
        C-contiguous (n_samples, n_features) in the dtype of the schema, NaN where a value
        is null.

    Raises:
        InvalidInput: naming line or row, the value and what was expected.
        PayloadTooLarge: if a line takes megabytes, or sparse rows are out of proportion.
    """
    reader = SchemaReader(schema, len(body))
    blocks = parse(reader_of(body), reader.plan, source)
    first = next(blocks, None)
    if first is None:
        raise InvalidInput(f"the body is empty; {_SHAPES}")
    return reader.matrix(chain([first], blocks))


def encode(predictions: Predictions) -> Iterator[bytes]:
    """One object per line, keyed by output; each line is ended."""
    for block in predictions.blocks():
        yield b"".join([text + b"\n" for text in object_texts(block)])


def _blocks(read: Read, source: JsonSource) -> Iterator[tuple[int, bytes]]:
    """Whole lines, and the number of the first of them."""
    sizes, line = source.sizes, 1
    text = read(sizes.block).removeprefix(BYTE_ORDER_MARK)
    while more := read(sizes.block):
        end = text.rfind(b"\n") + 1
        if end:
            yield line, text[:end]
            line += text.count(b"\n", 0, end)
        elif len(text) > sizes.longest:
            raise source.policy.too_large(
                f"{_place(line, source)} takes more than {sizes.longest} bytes, which is the "
                f"most that one row may take; {_SHAPES}"
            )
        text = text[end:] + more
    if text:
        yield line, text


def _parse(text: bytes, first: int, source: JsonSource) -> tuple[list[Any], RowLocations]:
    """The rows of some lines, and their locations."""
    lines = text.removesuffix(b"\n").split(b"\n")
    try:
        rows = list(map(orjson.loads, lines))
        locations = RowLocations(source.name, "line", first)
    except orjson.JSONDecodeError:
        numbered = [(n, line) for n, line in enumerate(lines, first) if line.strip()]
        rows = [_loads(line, n, source) for n, line in numbered]
        locations = RowLocations.of_lines(source.name, [n for n, _ in numbered])
    if set(map(type, rows)) <= _ROWS:
        return rows, locations
    return [row if type(row) in _ROWS else [row] for row in rows], locations


def _loads(line: bytes, number: int, source: JsonSource) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise source.not_json(error, f"column {error.pos + 1}", f"line {number}") from error


def _place(line: int, source: JsonSource) -> str:
    return f"{source.name}, line {line}" if source.name else f"line {line}"
