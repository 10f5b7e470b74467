"""application/x-recordio-protobuf: a message per row, in and out.

A record is the magic number, the length, the message and zeros up to a multiple of
four bytes (MXNet's RecordIO, dmlc/recordio.h); the message is ``aialgs.data.Record``.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.matrix import Body, Matrix, check_expansion, rows_per_block
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.formats.recordio.record_frames import PlainRecord, RecordFrames, framed
from mlserver_forest.formats.recordio.record_message import record_class
from mlserver_forest.schema.schema import Schema

_Record = record_class()

_VALUES = "values"
_TENSORS = ("float32_tensor", "float64_tensor", "int32_tensor")


def decode(body: Body, schema: Schema, parameters: Mapping[str, str]) -> NDArray[Any]:
    """Read ``features["values"]``, dense or sparse, or one number per feature's name.

    Args:
        body: the records.
        schema: the features; ``absent`` is what a sparse record leaves out.
        parameters: of the media type; none counts.

    Returns:
        ``X``: C-contiguous (n_samples, n_features) in the dtype of the schema.

    Raises:
        InvalidInput: naming the row, what came and what was expected.
        PayloadTooLarge: if the matrix is out of proportion to the body.
    """
    view = memoryview(body)
    counted = RecordFrames(view, schema)
    while not counted.is_finished:
        counted.take()
    frames = RecordFrames(view, schema)
    reader = _RowReader(schema)
    first = reader.read(0, frames.take())
    check_expansion(counted.n_taken, len(first), schema, len(body))
    matrix = Matrix(schema, counted.n_taken)
    matrix.append(np.array([first]))
    plain = _plain_records(len(first))
    step = rows_per_block(len(first))
    while not frames.is_finished:
        block = frames.take_alike(plain, step)
        matrix.append(block if len(block) else reader.read_some(frames, step // 8))
    return matrix.finish()


def encode(predictions: Predictions) -> Iterator[bytes]:
    """One record per row, the outputs in the map ``label``, as AWS's XGBoost image answers.

    Numbers, integers and booleans are float32 tensors, labels that are text are bytes.
    """
    for block in predictions.blocks():
        entries = [_label_entries(name, column) for name, column in block.columns.items()]
        # The entries of a map are repeated fields, so those of a row stand side by side.
        yield b"".join(framed(b"".join(row)) for row in zip(*entries, strict=True))


class _RowReader:
    """Turns messages into rows of one width."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def read(self, row: int, payload: memoryview) -> list[float] | NDArray[np.float64]:
        # A message that is used again keeps all memory that it ever took (protobuf 6.33).
        record = _Record()
        try:
            record.ParseFromString(payload)
            features = dict(record.features)
        except (DecodeError, UnicodeDecodeError) as error:
            raise InvalidInput(
                f"row {row + 1} is no aialgs.data.Record: its message is damaged"
            ) from error
        is_named = _VALUES not in features or (
            len(features) > 1 and _VALUES in self._schema.feature_names
        )
        values = self._named(row, features) if is_named else self._row(row, features)
        # The first row gives the width to a model that names no features.
        self._schema = self._schema.with_width(len(values))
        return values

    def read_some(self, frames: RecordFrames, most: int) -> NDArray[np.float64]:
        """The next rows, (n, n_features)."""
        rows: list[Any] = []
        while not frames.is_finished and len(rows) < most:
            rows.append(self.read(frames.n_taken, frames.take()))
        return np.array(rows)

    def _row(self, row: int, features: Mapping[str, Any]) -> list[float] | NDArray[np.float64]:
        if len(features) != 1:
            raise InvalidInput(
                f"row {row + 1} has features {format_value(list(features))}; expected "
                f"{_VALUES!r} alone, "
                "or one entry per feature"
            )
        tensor = _tensor(row, _VALUES, features[_VALUES])
        shape = tensor.shape[:]
        if tensor.keys or (shape and not tensor.values):
            return self._sparse(row, tensor)
        values: list[float] = tensor.values[:]
        expected = self._schema.n_features or len(values)
        if len(values) != expected or not values:
            raise InvalidInput(
                f"row {row + 1} has {len(values)} values; the model expects "
                f"{self._schema.describe()}"
            )
        if shape and not _is_width(shape, len(values)):
            raise InvalidInput(
                f"row {row + 1} declares shape {format_value(shape)} but has {len(values)} values"
            )
        return values

    def _sparse(self, row: int, tensor: Any) -> NDArray[np.float64]:
        keys, values, shape = tensor.keys[:], tensor.values[:], tensor.shape[:]
        n_features = self._schema.n_features
        if not n_features or (shape and not _is_width(shape, n_features)):
            raise InvalidInput(
                f"row {row + 1} is sparse, of shape {format_value(shape)}; the model expects "
                f"{self._schema.describe()}"
            )
        if len(keys) != len(values):
            raise InvalidInput(f"row {row + 1} has {len(keys)} keys but {len(values)} values")
        if keys and max(keys) >= n_features:
            raise InvalidInput(
                f"row {row + 1} has the key {max(keys)}; the model expects 0 to {n_features - 1}"
            )
        if len(set(keys)) != len(keys):
            raise InvalidInput(f"row {row + 1} has a key that occurs twice")
        dense = np.full(n_features, self._schema.absent_value)
        dense[keys] = values
        return dense

    def _named(self, row: int, features: Mapping[str, Any]) -> list[float]:
        names = list(features)
        if not self._schema.feature_names or not names:
            raise InvalidInput(
                f"row {row + 1} has features {format_value(names)}; expected {_VALUES!r}, a "
                "tensor of "
                f"{self._schema.describe()} values"
            )
        positions = self._schema.positions(names, f"row {row + 1}")
        return [self._number(row, names[place], features[names[place]]) for place in positions]

    def _number(self, row: int, name: str, value: Any) -> float:
        values = _tensor(row, name, value).values
        if len(values) != 1:
            raise InvalidInput(
                f"row {row + 1}, feature {format_value(name)} has {len(values)} values; expected 1"
            )
        return float(values[0])


def _tensor(row: int, name: str, value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind not in _TENSORS:
        raise InvalidInput(
            f"row {row + 1}, features[{format_value(name)}] holds {kind or 'nothing'}; expected "
            "one of "
            f"{', '.join(_TENSORS)}"
        )
    return getattr(value, kind)


def _is_width(shape: list[int], width: int) -> bool:
    """Whether a vector, or a matrix of one row, has this shape."""
    return shape in ([width], [1, width])


def _plain_records(width: int) -> tuple[PlainRecord, ...]:
    """The records that hold nothing but dense floats, as the SageMaker SDK writes them."""
    single, double = _Record(), _Record()
    single.features[_VALUES].float32_tensor.values.extend([0.0] * width)
    double.features[_VALUES].float64_tensor.values.extend([0.0] * width)
    return (
        PlainRecord(single.SerializeToString(), width, np.dtype("<f4")),
        PlainRecord(double.SerializeToString(), width, np.dtype("<f8")),
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
