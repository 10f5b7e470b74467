"""RecordIO-protobuf: a message per row, dense or sparse, with its label, as the SageMaker
SDK's ``sagemaker.amazon.common`` writes them.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import islice
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.libsvm.libsvm_lines import Entries
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.training.data.layout import Columns
from mlserver_forest.training.data.parts import Part
from mlserver_forest.training.data.record_rows import Row, read_row
from mlserver_forest.training.data.record_stream import MAGIC, Frames
from mlserver_forest.training.data.row_blocks import Block, Known
from mlserver_forest.training.data.sparse_rows import dense, of_matrix

_BLOCK_ROWS = 2**13
_BLOCK_BYTES = 2**22


def read(
    parts: Iterator[Part], known: Known, columns: Columns, parameters: Mapping[str, str]
) -> Generator[Block]:
    """Read the parts of a channel.

    Args:
        parts: one after the other; a record may be a whole file of records.
        known: the number of features, which grows with the rows.
        columns: what sparse rows leave out.
        parameters: of the content type; none counts.

    Raises:
        InvalidData: naming file and record, what came and what was expected.
    """
    for part in parts:
        with part.inflated() as stream:
            messages, first = _messages(stream, part.name), 1
            while some := _take(messages):
                where = RowLocations(part.name, "record", first)
                yield _block(some, where, known, columns)
                first += len(some)


def _messages(stream: BinaryIO, name: str) -> Iterator[bytes]:
    for payload in Frames(stream, name).payloads():
        if payload.startswith(MAGIC):  # No message starts so; a framed file of records does.
            yield from _messages(cast("BinaryIO", BytesIO(payload)), name)
        else:
            yield payload


def _take(messages: Iterator[bytes]) -> list[bytes]:
    some = list(islice(messages, 1))
    n_more = min(_BLOCK_ROWS, _BLOCK_BYTES // max(len(some[0]), 1)) if some else 0
    return some + list(islice(messages, n_more))


def _block(messages: Sequence[bytes], where: RowLocations, known: Known, columns: Columns) -> Block:
    first = read_row(messages[0], where.at(0))
    alike = _read_alike(messages, first)
    if alike is not None:
        x, labels = alike
        _check_width(first, where.at(0), len(known.layout.names) or first.width)
        return of_matrix(x, labels, where, known)
    rows = [read_row(message, where.at(row)) for row, message in enumerate(messages)]
    dense_rows = [(row, found) for row, found in enumerate(rows) if not found.is_sparse]
    for row, found in dense_rows:
        _check_width(found, where.at(row), len(known.layout.names) or dense_rows[0][1].width)
    n_values = [len(row.keys) for row in rows]
    entries = Entries(
        len(rows),
        np.repeat(np.arange(len(rows)), n_values),
        np.concatenate([np.asarray(row.keys, np.intp) for row in rows]),
        np.concatenate([np.asarray(row.values, np.float64) for row in rows]),
    )
    labels = np.array([row.label for row in rows])
    declared = max(row.width for row in rows)
    return dense(entries, labels, where, known, columns, declared)


def _check_width(row: Row, place: str, expected: int) -> None:
    if row.width != expected:
        raise InvalidData(f"{place} has {row.width} values; the rows before have {expected}")


def _read_alike(
    messages: Sequence[bytes], first: Row
) -> tuple[NDArray[Any], NDArray[np.float64]] | None:
    """The numbers of messages that differ in nothing else; None if they do."""
    template = first.template()
    if template is None or set(map(len, messages)) != {len(template.message)}:
        return None
    data = np.frombuffer(b"".join(messages), np.uint8).reshape(len(messages), -1)
    if not template.matches(data):
        return None
    return template.values(data), template.labels(data)
