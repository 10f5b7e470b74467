"""application/x-recordio-protobuf: a message per row, in and out.

The frames are MXNet's RecordIO; the message is ``aialgs.data.Record``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.formats.labeled_rows import Entries, FeaturePlan, LabeledRows
from mlserver_forest.formats.matrix import rows_per_block
from mlserver_forest.formats.parsing import ParsePolicy
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.formats.recordio.record_frames import (
    MAGIC,
    RecordFrames,
    framed,
    whole_frames,
)
from mlserver_forest.formats.recordio.record_message import record_class
from mlserver_forest.formats.recordio.record_rows import RecordReader, Row
from mlserver_forest.formats.source import Source

_Record = record_class()

# A record with metadata, and its features by name, is shorter.
_RECORD_BYTES = 2**20
_FEATURE_BYTES = 256


def parse(
    source: Source, plan: FeaturePlan, policy: ParsePolicy, parameters: Mapping[str, str]
) -> Iterator[LabeledRows]:
    """Parse rows; see ``labeled_rows.ParseLabeled``.

    A row is ``features["values"]``, dense or sparse, or one number per feature's name.
    """
    if not source.content:
        raise policy.invalid(f"{source.subject} is empty; expected RecordIO, a record for each row")
    yield from _Rows(source, plan, policy).parse()


def encode(predictions: Predictions) -> Iterator[bytes]:
    """One record per row, the outputs in the map ``label``, as AWS's XGBoost image answers.

    Numbers, integers and booleans are float32 tensors, labels that are text are bytes.
    """
    for block in predictions.blocks():
        entries = [_label_entries(name, column) for name, column in block.columns.items()]
        # The entries of a map are repeated fields, so those of a row stand side by side.
        yield b"".join(framed(b"".join(row)) for row in zip(*entries, strict=True))


class _Rows:
    """The rows of a body, or of a file or stream."""

    def __init__(self, source: Source, plan: FeaturePlan, policy: ParsePolicy) -> None:
        self._source = source
        self._reader = RecordReader(plan, policy)
        self._policy = policy
        self._needs_label = plan.needs_label
        self._subject = f"{source.name}, record" if source.name else "row"
        names = sum(map(len, plan.names))
        self._longest = _RECORD_BYTES + _FEATURE_BYTES * plan.most + 4 * names
        self._number = 1

    def parse(self) -> Iterator[LabeledRows]:
        content = self._source.content
        if isinstance(content, bytes | bytearray):
            yield from self._parse(memoryview(content), 0)
        else:
            for offset, data in whole_frames(content):
                yield from self._parse(data, offset)

    def _parse(self, data: memoryview, offset: int, *, is_inner: bool = False) -> Iterator[Any]:
        frames = RecordFrames(
            data, self._subject, self._number, self._longest, self._policy, offset
        )
        some: list[Row] = []
        while not frames.is_finished:
            payload = frames.take()
            if payload[: len(MAGIC)] == MAGIC and not is_inner:
                # A framed file of records; no message starts so.
                yield from self._flushed(some)
                yield from self._parse(payload, 0, is_inner=True)
                frames.number = self._number
                continue
            row = self._reader.read(payload, f"{self._subject} {frames.number - 1}")
            some.append(row)
            step = rows_per_block(row.width)
            template = None if frames.is_finished else row.template()
            alike = [] if template is None else frames.take_alike(template, step)
            if alike and len(alike[0]):
                yield from self._flushed(some)
                yield self._plain(alike)
            elif len(some) >= max(step // 8, 1):
                yield from self._flushed(some)
        yield from self._flushed(some)

    def _plain(self, alike: Sequence[NDArray[Any]]) -> LabeledRows:
        where = self._source.locations("record", self._number)
        self._number += len(alike[0])
        labels = alike[1][:, 0].astype(np.float64) if len(alike) > 1 else None
        return LabeledRows(where, labels, alike[0], alike[0].shape[1])

    def _flushed(self, some: list[Row]) -> Iterator[LabeledRows]:
        """The rows that were read one by one, without mixing dense and sparse rows."""
        while some:
            is_sparse = some[0].keys is not None
            ends = (end for end, row in enumerate(some) if (row.keys is not None) != is_sparse)
            end = next(ends, len(some))
            rows, some[:end] = some[:end], []
            where = self._source.locations("record", self._number)
            self._number += end
            labels = np.array([row.label for row in rows]) if self._needs_label else None
            values = _entries(rows) if is_sparse else np.array([row.values for row in rows])
            yield LabeledRows(where, labels, values, max(row.width for row in rows))


def _entries(rows: Sequence[Row]) -> Entries:
    keys = [row.keys or () for row in rows]
    return Entries(
        len(rows),
        np.repeat(np.arange(len(rows)), list(map(len, keys))),
        np.concatenate([np.asarray(some, np.intp) for some in keys]),
        np.concatenate([np.asarray(row.values, np.float64) for row in rows]),
    )


def _label_entries(name: str, column: NDArray[Any]) -> list[bytes]:
    """For each row its entry of the map."""
    if column.dtype.kind == "O":
        labels = column.tolist()
        made = {label: _text_entry(name, label) for label in set(labels)}
        return [made[label] for label in labels]
    with np.errstate(over="ignore"):
        values = column.reshape(len(column), -1).astype("<f4", order="C")
    record = _Record()
    record.label[name].float32_tensor.values.extend([0.0] * values.shape[1])
    template = np.frombuffer(record.SerializeToString(), np.uint8)
    entries = np.tile(template, (len(values), 1))
    entries[:, -4 * values.shape[1] :] = values.view(np.uint8)
    data = entries.tobytes()
    return [data[start : start + template.size] for start in range(0, len(data), template.size)]


def _text_entry(name: str, label: str) -> bytes:
    record = _Record()
    record.label[name].bytes.value.append(label.encode())
    entry: bytes = record.SerializeToString()
    return entry
