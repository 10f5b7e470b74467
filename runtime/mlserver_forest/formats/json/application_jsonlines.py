"""application/jsonlines: one instance per line in, one object per line out.

An instance has any shape that ``json_rows`` reads; for a model of one feature it may be a
bare number. Lines end with LF or CRLF; a byte order mark, and blank lines at the end, are
skipped.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.formats.json.json_faults import not_json
from mlserver_forest.formats.json.json_objects import object_texts
from mlserver_forest.formats.json.json_rows import JsonRows
from mlserver_forest.formats.json.json_scan import SIZES, Sizes, give_way
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.schema.schema import Schema

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SHAPES = 'expected one instance per line, such as [...] or {"features": [...]}'


def decode(
    body: Body, schema: Schema, parameters: Mapping[str, str], sizes: Sizes = SIZES
) -> NDArray[Any]:
    """Read one row per line.

    Args:
        body: the text, UTF-8.
        schema: the features.
        parameters: of the media type; none counts.
        sizes: of the blocks that are parsed at a time, and of the longest line.

    Returns:
        C-contiguous (n_samples, n_features) in the dtype of the schema, NaN where a value
        is null.

    Raises:
        InvalidInput: naming line or row, what came and what was expected.
        PayloadTooLarge: if a line takes megabytes, or sparse rows are out of proportion.
    """
    rows = JsonRows(schema, len(body))
    first = 1
    for block in _blocks(body, sizes):
        lines = block.split(b"\n")
        instances = _parse(lines, first)
        rows.append(instances if schema.n_features > 1 else [_row(value) for value in instances])
        first += len(lines)
    if first == 1:
        raise InvalidInput(f"the body is empty; {_SHAPES}")
    return rows.finish()


def encode(predictions: Predictions) -> Iterator[bytes]:
    """One object per line, keyed by output; each line is ended."""
    for block in predictions.blocks():
        yield b"".join([text + b"\n" for text in object_texts(block)])


def _blocks(body: Body, sizes: Sizes) -> Iterator[bytes]:
    """Whole lines, without the newline that ends the last."""
    start = len(_BYTE_ORDER_MARK) if body.startswith(_BYTE_ORDER_MARK) else 0
    length = _text_end(body, start, sizes.block)
    while start < length:
        end = _line_end(body, start, length, sizes)
        yield bytes(memoryview(body)[start:end])
        start = end + 1
        if start < length:
            give_way()


def _text_end(body: Body, start: int, size: int) -> int:
    """Where the last line that is not blank ends."""
    end = len(body)
    while end > start:
        before = max(start, end - size)
        text = bytes(memoryview(body)[before:end]).rstrip(b" \t\r\n")
        if text:
            return before + len(text)
        end = before
    return start


def _line_end(body: Body, start: int, length: int, sizes: Sizes) -> int:
    if length - start <= sizes.block:
        return length
    end = body.rfind(b"\n", start, start + sizes.block)
    if end < 0:
        end = body.find(b"\n", start + sizes.block, min(start + sizes.longest, length))
    if end < 0 and length - start > sizes.longest:
        raise PayloadTooLarge(
            f"the line that begins at byte {start + 1} takes more than {sizes.longest} bytes, "
            f"which is the most that one row may take; {_SHAPES}"
        )
    return end if end >= 0 else length


def _parse(lines: list[bytes], first: int) -> list[Any]:
    try:
        return [orjson.loads(line) for line in lines]
    except orjson.JSONDecodeError:
        for number, line in enumerate(lines, first):
            _check(number, line)
        raise


def _check(number: int, line: bytes) -> None:
    if not line.strip():
        raise InvalidInput(f"line {number} is blank; {_SHAPES}")
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise not_json(error, f"line {number}", f"column {error.pos + 1}") from error


def _row(value: Any) -> Any:
    """A bare number as the row that it is for a model of one feature."""
    return value if isinstance(value, list | dict) else [value]
