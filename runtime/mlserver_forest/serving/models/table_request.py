"""A table -> the V2 request of it for a runtime that has no schema of this package.

The model's metadata says which tensors it reads. Without any, its settings or its package say
whether that is one tensor of numbers (``np``), a tensor for each column (``pd``) or texts
(``str``), as MLServer's codecs call them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np
from mlserver.types import InferenceRequest, MetadataTensor, RequestInput
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, count, format_value
from mlserver_forest.formats.body_table import BodyTable
from mlserver_forest.formats.parsing import FoundColumns
from mlserver_forest.formats.v2.v2_tensor import BYTES, DTYPES
from mlserver_forest.serving.v2 import v2_types

if TYPE_CHECKING:
    from mlserver_forest.serving.models.foreign_runtime import ForeignRuntime

_NUMPY, _PANDAS, _TEXT = "np", "pd", "str"
# MLServer's codecs name the only input of a request so.
_ONLY_INPUT = "input-1"
_DATATYPES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True, slots=True)
class TableRequests:
    """Makes the requests of one model.

    Args:
        inputs: the inputs that the model's metadata describes.
        content_type: how its settings say that a request is decoded; None if they do not.
        default: how its package decodes a request that does not say; None if nobody knows.
        columns: of the data frame that it reads, if its settings name them.
    """

    inputs: Sequence[MetadataTensor]
    content_type: str | None
    default: str | None
    columns: Sequence[str] = ()

    @classmethod
    def of(cls, runtime: "ForeignRuntime") -> "TableRequests":
        """For a runtime that is loaded, and may have described itself meanwhile."""
        default = runtime.known.content_type if runtime.known else None
        return cls(runtime.inputs, runtime.content_type, default, runtime.columns)

    def texts(self, found: FoundColumns) -> Collection[int]:
        """The columns that the metadata declare as text, whatever they look like."""
        declared = [tensor.datatype == BYTES for tensor in self.inputs]
        if len(self.inputs) == 1 and not _is_column(self.inputs[0]):
            return range(found.width) if declared[0] else ()
        names = [tensor.name for tensor in self.inputs]
        if found.names and not set(names).isdisjoint(found.names):
            known = dict(zip(names, declared, strict=True))
            return [place for place, name in enumerate(found.names) if known.get(name)]
        return [place for place, is_text in enumerate(declared) if is_text and place < found.width]

    def request(self, table: BodyTable, parameters: Mapping[str, Any]) -> InferenceRequest:
        """The request for a table.

        Args:
            table: the body.
            parameters: of the request, besides its content type.

        Raises:
            InvalidInput: if the table does not fit what the model reads.
        """
        content_type = self.content_type
        if self._reads_columns(table):
            inputs = self._columns(table)
            content_type = content_type or _PANDAS
        elif self.inputs:
            inputs = [_matrix(self.inputs[0].name, table, self.inputs[0].datatype)]
        elif self.content_type == _TEXT:
            inputs = [_texts(table)]
        else:
            inputs = [_matrix(_ONLY_INPUT, table, None)]
        fields = {**parameters, "content_type": content_type}
        given = {name: value for name, value in fields.items() if value is not None}
        return v2_types.inference_request(inputs, None, None, v2_types.parameters(given or None))

    def _reads_columns(self, table: BodyTable) -> bool:
        """Whether each column is a tensor. Names and texts have no place in a matrix."""
        if self.inputs:
            return len(self.inputs) > 1 or _is_column(self.inputs[0])
        if self.content_type is not None:
            return self.content_type == _PANDAS
        return self.default == _PANDAS or table.names is not None or table.array is None

    def _columns(self, table: BodyTable) -> list[RequestInput]:
        columns = table.as_columns()
        names = self._names(table, len(columns))
        declared = {tensor.name: tensor for tensor in self.inputs}
        return [
            _column(name, values, declared.get(name))
            for name, values in zip(names, columns, strict=True)
        ]

    def _names(self, table: BodyTable, width: int) -> Sequence[str]:
        declared = [tensor.name for tensor in self.inputs] or [*self.columns]
        if table.names is not None:
            is_known = not set(declared).isdisjoint(table.names)
            if is_known or not declared or table.are_chosen or len(declared) != width:
                return table.names
        if not declared:
            return [str(column) for column in range(width)]
        if len(declared) != width:
            raise InvalidInput(
                f"a row has {count(width, 'value')}; the model reads {len(declared)} "
                f"({', '.join(declared[:8])}{', ...' if len(declared) > 8 else ''})"
            )
        return declared


def _is_column(tensor: MetadataTensor) -> bool:
    """Whether a declared tensor has one value for each row."""
    shape = list(tensor.shape)
    return len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)


def _column(name: str, values: NDArray[Any], declared: MetadataTensor | None) -> RequestInput:
    datatype = declared.datatype if declared else _datatype_of(values)
    data = _cast(name, values, datatype)
    has_type = declared and declared.parameters and declared.parameters.content_type
    parameters = None if has_type or datatype != BYTES else v2_types.content_type(_TEXT)
    return v2_types.request_input(name, [len(values), 1], datatype, data, parameters)


def _matrix(name: str, table: BodyTable, datatype: str | None) -> RequestInput:
    """One tensor of all values."""
    array = table.array
    if array is None:
        columns = table.as_columns()
        if datatype != BYTES and any(column.dtype.kind == "O" for column in columns):
            raise InvalidInput(
                "the body holds text; the model reads one array of numbers. If it reads columns "
                'by their names, set parameters.content_type to "pd" in model-settings.json'
            )
        kind = object if datatype == BYTES else None
        array = np.column_stack([column.astype(kind or column.dtype) for column in columns])
    datatype = datatype or _datatype_of(array)
    data = _cast(name, array.reshape(-1), datatype)
    parameters = v2_types.content_type(_TEXT if datatype == BYTES else _NUMPY)
    return v2_types.request_input(name, [*array.shape], datatype, data, parameters)


def _texts(table: BodyTable) -> RequestInput:
    """One tensor of the texts of the only column."""
    columns = table.as_columns()
    if len(columns) != 1:
        raise InvalidInput(f"a row has {count(len(columns), 'value')}; the model reads one text")
    name = table.names[0] if table.names else _ONLY_INPUT
    data = _cast(name, columns[0], BYTES)
    return v2_types.request_input(name, [len(data), 1], BYTES, data, v2_types.content_type(_TEXT))


def _datatype_of(values: NDArray[Any]) -> str:
    return BYTES if values.dtype.kind == "O" else _DATATYPES[values.dtype.newbyteorder("=")]


def _cast(name: str, values: NDArray[Any], datatype: str) -> Any:
    """Values as the declared datatype, a list of texts or an array of numbers.

    Raises:
        InvalidInput: naming the first value that is not of the datatype.
    """
    if datatype == BYTES:
        return [_as_text(value) for value in values.tolist()]
    dtype = DTYPES.get(datatype)
    if dtype is None:
        raise InvalidInput(f"the model declares the unknown datatype {format_value(datatype)}")
    if values.dtype == dtype:
        return values
    if values.dtype.kind == "O":
        raise _unlike(name, 0, next(v for v in values.tolist() if v is not None), datatype)
    with np.errstate(all="ignore"):
        cast = values.astype(dtype)
    kept = cast == values if dtype.kind in "iub" else np.isfinite(cast) == np.isfinite(values)
    if not np.all(kept):
        row = int(np.argmin(kept))
        raise _unlike(name, row, values[row].item(), datatype)
    return cast


def _unlike(name: str, row: int, value: Any, datatype: str) -> InvalidInput:
    came = "a missing value" if isinstance(value, float) and isnan(value) else format_value(value)
    return InvalidInput(
        f"{format_value(name)}, value {row + 1}: {came} came; the model's metadata say {datatype}"
    )


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return None if isnan(value) else repr(value)
    return value if value is None else str(value)
