"""libsvm: ``label [qid:n] index:value ...`` per line."""

from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.csv.field_values import parse_number
from mlserver_forest.formats.libsvm.libsvm_lines import Entries, plain_entries
from mlserver_forest.formats.parsing import TRAINING
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.formats.text_blocks import TextBlock, blocks_of_stream, lines_end
from mlserver_forest.training.data.layout import Columns
from mlserver_forest.training.data.parts import Part
from mlserver_forest.training.data.row_blocks import Block, Known
from mlserver_forest.training.data.sparse_rows import dense

_BLOCK_BYTES = 2**20
_MOST_FEATURES = 2**24


def read(
    parts: Iterator[Part], known: Known, columns: Columns, parameters: Mapping[str, str]
) -> Generator[Block]:
    """Read the parts of a channel.

    Args:
        parts: one after the other.
        known: the number of features and the first one's index, which grow with the rows.
        columns: what sparse rows leave out.
        parameters: of the content type; ``index_base`` is the one that counts, else the
            first feature is 0 where an index 0 occurs.

    Raises:
        InvalidData: naming file and line, what came and what was expected.
    """
    declared = parameters.get("index_base")
    if declared is not None and not known.are_fixed:
        known.index_base = int(declared)
    base_is_open = declared is None and not known.are_fixed
    for part in parts:
        with part.inflated() as stream:
            for lines in blocks_of_stream(stream, part.name, lines_end, TRAINING, _BLOCK_BYTES):
                numbers, labels, entries = _parse(lines)
                where = RowLocations.of_lines(part.name, numbers)
                _learn_base(entries.columns, known, where, entries, is_open=base_is_open)
                if numbers:
                    yield dense(entries, labels, where, known, columns)


def _learn_base(
    indices: NDArray[Any], known: Known, where: RowLocations, entries: Entries, *, is_open: bool
) -> None:
    smallest = int(indices.min()) if len(indices) else 1
    if known.index_base is None or (is_open and smallest == 0):
        known.index_base = min(smallest, 1)
    if smallest < known.index_base:
        row = int(entries.rows[indices.argmin()])
        raise InvalidData(
            f"{where.at(row)}: index 0, but the first feature has index {known.index_base}; "
            "declare the ContentType text/libsvm; index_base=0 for all channels"
        )
    indices -= known.index_base


def _parse(lines: TextBlock) -> tuple[list[int], NDArray[np.float64], Entries]:
    """The line numbers of the rows, their labels, and their entries by index."""
    texts = lines.content().removesuffix(b"\n").split(b"\n")
    entries = plain_entries(lines.content(), _MOST_FEATURES, 0)
    if entries is None:
        return _parse_carefully(lines, texts)
    first_line = lines.first_line
    labels = [
        _label(text.split(None, 1)[0], lines.name, n) for n, text in enumerate(texts, first_line)
    ]
    return list(range(first_line, first_line + len(texts))), np.array(labels), entries


def _parse_carefully(
    lines: TextBlock, texts: list[bytes]
) -> tuple[list[int], NDArray[np.float64], Entries]:
    numbers: list[int] = []
    labels: list[float] = []
    rows: list[int] = []
    indices: list[int] = []
    values: list[float] = []
    for number, text in enumerate(texts, lines.first_line):
        fields = text.partition(b"#")[0].split()
        if not fields:
            continue
        labels.append(_label(fields[0], lines.name, number))
        last = -1
        for field in fields[1:]:
            if last < 0 and field.startswith(b"qid:"):
                continue
            index, value = _entry(field, last, f"{lines.name}, line {number}")
            rows.append(len(numbers))
            indices.append(index)
            values.append(value)
            last = index
        numbers.append(number)
    entries = Entries(
        len(numbers), np.array(rows, np.intp), np.array(indices, np.intp), np.array(values, float)
    )
    return numbers, np.array(labels, np.float64), entries


def _label(text: bytes, name: str, line: int) -> float:
    value = None if b":" in text else parse_number(text.decode("ascii", "replace"))
    if value is None:
        raise InvalidData(
            f"{name}, line {line} starts with {_shown(text)}; expected a number as the label, "
            "then index:value pairs"
        )
    return value


def _entry(field: bytes, last: int, place: str) -> tuple[int, float]:
    index, colon, text = field.partition(b":")
    value = parse_number(text.decode("ascii", "replace")) if text else None
    if not colon or not index.isdigit() or value is None:
        raise InvalidData(f"{place} holds {_shown(field)}; expected index:value, two numbers")
    if len(index) > 18 or int(index) >= _MOST_FEATURES:
        raise InvalidData(f"{place}: index {_shown(index)} is larger than {_MOST_FEATURES - 1}")
    if int(index) <= last:
        raise InvalidData(
            f"{place}: index {int(index)} stands after {last}; expected ascending indices"
        )
    return int(index), value


def _shown(text: bytes) -> str:
    return format_value(text.decode("utf-8", "replace"))
