"""Records as rows: ``features["values"]``, dense or sparse, or one number per feature's name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from mlserver_forest.errors import ForestError, counted, format_value
from mlserver_forest.formats.labeled_rows import FeaturePlan
from mlserver_forest.formats.parsing import ParsePolicy
from mlserver_forest.formats.recordio.record_frames import Template
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
    """One row.

    Attributes:
        values: its numbers.
        keys: of a sparse row the features of the values, from 0; None for a dense row.
        width: the features that there are, as far as the record says.
        label: NaN if it was not requested.
        kinds: the tensors of the features and of the label, if there is nothing but their
            numbers in the record.
    """

    values: Sequence[float]
    keys: Sequence[int] | None
    width: int
    label: float
    kinds: tuple[str, ...] = ()

    def template(self) -> Template | None:
        """The records that differ from this one in their numbers alone, if these are floats."""
        if not self.kinds or not set(self.kinds) <= set(_FLOATS):
            return None
        features = _Record()
        getattr(features.features[_VALUES], self.kinds[0]).values.extend([0.0] * self.width)
        payload: bytes = features.SerializeToString()
        dtype = _FLOATS[self.kinds[0]]
        numbers = [(slice(len(payload) - self.width * dtype.itemsize, len(payload)), dtype)]
        if len(self.kinds) > 1:
            label, dtype = _Record(), _FLOATS[self.kinds[1]]
            getattr(label.label[_VALUES], self.kinds[1]).values.append(0.0)
            payload += label.SerializeToString()
            numbers.append((slice(len(payload) - dtype.itemsize, len(payload)), dtype))
        return Template(payload, numbers)


class RecordReader:
    """Reads messages one by one, with care.

    Args:
        plan: the features, as far as they are known; the first dense row makes the width known.
        policy: which errors are raised.
    """

    def __init__(self, plan: FeaturePlan, policy: ParsePolicy) -> None:
        self._plan = plan
        self._policy = policy
        self._width = len(plan.names)
        self._place = ""

    def read(self, message: memoryview, place: str) -> Row:
        """Read a message ``aialgs.data.Record``.

        Args:
            message: its bytes.
            place: of the record, for error messages.

        Raises:
            ForestError: the policy's, if the message is damaged or is not a row of the plan.
        """
        self._place = place
        # A message that is used again keeps all memory that it ever took (protobuf 6.33).
        record = _Record()
        try:
            record.ParseFromString(message)
            features, label = dict(record.features), dict(record.label)
        except (DecodeError, UnicodeDecodeError) as error:
            raise self._fault(
                "is not an aialgs.data.Record: its message is damaged; write it as the SageMaker "
                "SDK's write_numpy_to_dense_tensor does"
            ) from error
        if len(features) != 1 or _VALUES not in features:
            values = self._named(features)
            return Row(values, None, len(values), self._label(label)[0])
        kind, tensor = self._tensor("features", _VALUES, features[_VALUES])
        numbers, keys, width = self._values(tensor)
        found, kinds = self._label(label)
        is_plain = keys is None and not (tensor.shape or record.uid or record.metadata)
        return Row(numbers, keys, width, found, (kind, *kinds) if is_plain else ())

    def _values(self, tensor: Any) -> tuple[Sequence[float], Sequence[int] | None, int]:
        """The numbers, the keys of a sparse row, and the width."""
        keys, values, shape = tensor.keys[:], tensor.values[:], tensor.shape[:]
        if keys or (shape and not values):
            return values, keys, self._sparse_width(keys, len(values), shape)
        self._width = self._width or len(values)
        if len(values) != self._width or not values:
            raise self._fault(f"has {counted(len(values), 'value')}; {self._expected()}")
        if shape and not _is_vector(shape, len(values)):
            raise self._fault(f"declares shape {format_value(shape)} but has {len(values)} values")
        return values, None, len(values)

    def _sparse_width(self, keys: Sequence[int], n_values: int, shape: Sequence[int]) -> int:
        n_known = len(self._plan.names)
        width = prod(shape) if shape else n_known or max(keys, default=-1) + 1
        if not _is_vector(shape or [width], width) or (n_known and width != n_known) or not width:
            raise self._fault(f"is sparse, of shape {format_value(shape)}; {self._expected()}")
        if len(keys) != n_values:
            raise self._fault(f"has {len(keys)} keys but {n_values} values")
        if max(keys, default=-1) >= min(width, self._plan.most):
            last = min(width, self._plan.most) - 1
            subject = self._plan.subject if n_known else "expected"
            raise self._fault(f"has the key {max(keys)}; {subject} 0 to {last}")
        if width > self._plan.most:
            raise self._fault(f"has {width} features; at most {self._plan.most} are read")
        if len(set(keys)) != len(keys):
            raise self._fault("has a key that occurs twice")
        return width

    def _named(self, features: Mapping[str, Any]) -> list[float]:
        names = self._plan.names
        if not names or not features or _VALUES in set(features) - set(names):
            came = format_value(list(features)) if features else "nothing"
            raise self._fault(
                f"has {came} as its features; expected a tensor named {_VALUES!r}, or one entry "
                "per feature of a model that names them"
            )
        missing = [name for name in names if name not in features]
        unknown = [name for name in features if name not in set(names)]
        faults = [
            f"{label} {', '.join(map(format_value, found[:8]))}"
            for label, found in (("missing", missing), ("unknown", unknown))
            if found
        ]
        if faults:
            raise self._fault(f"has {' and '.join(faults)}; {self._expected()}")
        return [self._number(name, features[name]) for name in names]

    def _number(self, name: str, value: Any) -> float:
        _, tensor = self._tensor("features", name, value)
        if len(tensor.values) != 1:
            raise self._policy.invalid(
                f"{self._place}, feature {format_value(name)} has {len(tensor.values)} values; "
                "expected 1"
            )
        return float(tensor.values[0])

    def _label(self, entries: Mapping[str, Any]) -> tuple[float, tuple[str, ...]]:
        """The label and its tensor, "" if it makes the record unlike others."""
        if not self._plan.needs_label:
            return np.nan, ("",) if entries else ()
        if set(entries) != {_VALUES}:
            came = format_value(list(entries)) if entries else "nothing"
            raise self._fault(f"has {came} as its label; expected a tensor named {_VALUES!r}")
        kind, tensor = self._tensor("label", _VALUES, entries[_VALUES])
        if len(tensor.values) != 1 or tensor.keys:
            raise self._fault(f"has {len(tensor.values)} values as its label; expected 1")
        return float(tensor.values[0]), (kind if not tensor.shape else "",)

    def _tensor(self, group: str, name: str, value: Any) -> tuple[str, Any]:
        kind = value.WhichOneof("value")
        if kind not in _TENSORS:
            raise self._policy.invalid(
                f"{self._place}, {group}[{format_value(name)}] holds {kind or 'nothing'}; "
                f"expected one of {', '.join(_TENSORS)}"
            )
        return kind, getattr(value, kind)

    def _expected(self) -> str:
        if self._plan.names:
            return self._plan.expected()
        return f"the rows before have {self._width}" if self._width else "expected 1 or more"

    def _fault(self, reason: str) -> ForestError:
        return self._policy.invalid(f"{self._place} {reason}")


def _is_vector(shape: Sequence[int], width: int) -> bool:
    """Whether a vector, or a matrix of one row, has this shape."""
    return list(shape) in ([width], [1, width])
