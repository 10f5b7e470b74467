"""The message of one row, and what many messages have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.recordio.record_message import record_class

_Record = record_class()

_VALUES = "values"
_FLOATS: Mapping[str, np.dtype[Any]] = {
    "float32_tensor": np.dtype("<f4"),
    "float64_tensor": np.dtype("<f8"),
}
_TENSORS = (*_FLOATS, "int32_tensor")


@dataclass(frozen=True, slots=True)
class Row:
    """What a message says.

    Attributes:
        keys: the features that have a value, from 0.
        values: theirs.
        width: the features that there are, as far as the message tells.
        is_sparse: whether more of them may follow.
        label: of the row.
        kinds: of the tensors of features and label, where nothing but their numbers matters.
    """

    keys: Sequence[int]
    values: Sequence[float]
    width: int
    is_sparse: bool
    label: float
    kinds: tuple[str, str] | None

    def template(self) -> "Template | None":
        """What a message like this has beside its numbers, if these are floats."""
        if self.kinds is None:
            return None
        features, label = _Record(), _Record()
        getattr(features.features[_VALUES], self.kinds[0]).values.extend([0.0] * self.width)
        getattr(label.label[_VALUES], self.kinds[1]).values.append(0.0)
        first: bytes = features.SerializeToString()
        message: bytes = first + label.SerializeToString()
        kinds = _FLOATS[self.kinds[0]], _FLOATS[self.kinds[1]]
        start = len(first) - self.width * kinds[0].itemsize
        return Template(
            message,
            slice(start, len(first)),
            slice(len(message) - kinds[1].itemsize, len(message)),
            kinds,
        )


@dataclass(frozen=True, slots=True)
class Template:
    """A message, and where its numbers stand.

    Attributes:
        message: with zeros.
        features: the bytes of the features' values.
        label: the bytes of the label.
        dtypes: of both.
    """

    message: bytes
    features: slice
    label: slice
    dtypes: tuple[np.dtype[Any], np.dtype[Any]]

    def matches(self, data: NDArray[np.uint8]) -> bool:
        """Whether messages, (n, n_bytes), differ in their numbers alone."""
        counts = np.ones(len(self.message), np.bool_)
        counts[self.features] = counts[self.label] = False
        expected = np.frombuffer(self.message, np.uint8)
        return bool((data[:, counts] == expected[counts]).all())

    def values(self, data: NDArray[np.uint8]) -> NDArray[Any]:
        return np.ascontiguousarray(data[:, self.features]).view(self.dtypes[0])

    def labels(self, data: NDArray[np.uint8]) -> NDArray[np.float64]:
        labels = np.ascontiguousarray(data[:, self.label]).view(self.dtypes[1])[:, 0]
        return labels.astype(np.float64)


def read_row(message: bytes, place: str) -> Row:
    """Read a message with care.

    Args:
        message: ``aialgs.data.Record``.
        place: of it, for error messages.

    Raises:
        InvalidData: if it is damaged, or has no label, or its features are no vector.
    """
    record = _Record()
    try:
        record.ParseFromString(message)
        entries = dict(record.features), dict(record.label)
    except (DecodeError, UnicodeDecodeError) as error:
        raise InvalidData(
            f"{place} is no aialgs.data.Record: its message is damaged; write it as the "
            "SageMaker SDK's write_numpy_to_dense_tensor does"
        ) from error
    kind, tensor = _tensor(place, "features", entries[0])
    label_kind, label = _tensor(place, "label", entries[1])
    keys, values, shape = tensor.keys[:], tensor.values[:], tensor.shape[:]
    is_sparse = bool(keys or (shape and not values))
    if len(label.values) != 1 or label.keys:
        raise InvalidData(f"{place} has {len(label.values)} values as its label; expected 1")
    width = _width(place, keys, values, shape, is_sparse=is_sparse)
    is_plain = not (is_sparse or shape or record.uid or record.metadata or label.shape)
    kinds = (kind, label_kind) if is_plain and {kind, label_kind} <= set(_FLOATS) else None
    return Row(
        keys if is_sparse else range(width), values, width, is_sparse, float(label.values[0]), kinds
    )


def _tensor(place: str, name: str, entries: Mapping[str, Any]) -> tuple[str, Any]:
    if set(entries) != {_VALUES}:
        came = format_value(list(entries)) if entries else "nothing"
        raise InvalidData(f"{place} has {came} as its {name}; expected a tensor named {_VALUES!r}")
    kind = entries[_VALUES].WhichOneof("value")
    if kind not in _TENSORS:
        raise InvalidData(
            f"{place}, {name} holds {kind or 'nothing'}; expected one of {', '.join(_TENSORS)}"
        )
    return kind, getattr(entries[_VALUES], kind)


def _width(
    place: str, keys: list[int], values: list[float], shape: list[int], *, is_sparse: bool
) -> int:
    if is_sparse and (len(keys) != len(values) or len(set(keys)) != len(keys)):
        raise InvalidData(
            f"{place} has {len(keys)} keys, {len(set(keys))} of them different, and "
            f"{len(values)} values; expected a value for each key"
        )
    width = max(keys, default=-1) + 1 if is_sparse else len(values)
    declared = int(np.prod(shape, dtype=object)) if shape else width
    if declared < width or (declared > width and not is_sparse) or declared < 1:
        raise InvalidData(
            f"{place} has shape {shape or [width]}, which does not fit its {len(values)} values"
        )
    return declared
