"""The V2 inputs of a request -> the matrix that a model reads.

A numeric feature is sent as numbers of any datatype, or as BYTES, which hold the same text as CSV
fields: also $14.50, or ? for a missing value, if training read its numbers so. A categorical
feature is sent as BYTES, with
its categories in UTF-8, or as BOOL, which means the categories "true" and "false"; numbers are the
codes of categories (0 and 1 for a boolean feature), or whole numbers whose digits are the category
if the model knows hashes alone. A matrix of numbers holds the same numbers. A matrix of
BYTES holds the same text as CSV fields.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from mlserver.types import RequestInput, TensorData
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.category_values import codes_of
from mlserver_forest.formats.csv.text_csv import parse_fields
from mlserver_forest.formats.decoding import RequestDecoder
from mlserver_forest.formats.v2 import v2_tensor
from mlserver_forest.formats.v2.v2_text import texts_of
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.v2.understood_parameters import decoded


def matrix_of(inputs: Sequence[RequestInput], schema: Schema) -> NDArray[Any]:
    """The matrix, or the columns of the features side by side, as ``Schema.conform`` returns it.

    Raises:
        InvalidInput: naming the input, what came and what was expected.
    """
    if not inputs:
        raise InvalidInput(f"the request has no inputs; the model expects {schema.describe()}")
    if len(inputs) == 1:
        (only,) = inputs
        # A matrix may have any name, even that of a feature; a column must have its feature's.
        is_wide = schema.n_features > 1 and tuple(only.shape[1:]) == (schema.n_features,)
        if is_wide or only.name not in schema.feature_names:
            return _matrix(only, schema)
    positions = schema.positions([tensor.name for tensor in inputs], "the request")
    columns = [_column(inputs[place], column, schema) for column, place in enumerate(positions)]
    lengths = {len(column) for column in columns}
    if len(lengths) != 1:
        raise InvalidInput(f"the features have different numbers of rows: {sorted(lengths)}")
    return schema.conform(np.column_stack(columns), has_codes=True)


def _matrix(tensor: RequestInput, schema: Schema) -> NDArray[Any]:
    width = schema.n_features
    if _datatype(tensor) != v2_tensor.BYTES:
        array = _array(tensor)
        return schema.conform(array.reshape(-1, 1) if array.ndim == width == 1 else array)
    texts = _texts(tensor)
    if list(tensor.shape[1:]) != [width] and (len(tensor.shape), width) != (1, 1):
        raise InvalidInput(
            f"input {format_value(tensor.name)} has shape {list(tensor.shape)}; "
            f"the model expects [n, {width}] ({schema.describe()})"
        )
    rows = [texts[start : start + width] for start in range(0, len(texts), width)]
    return RequestDecoder(schema).matrix(partial(parse_fields, rows), 8 * len(texts))


def _column(tensor: RequestInput, column: int, schema: Schema) -> NDArray[Any]:
    categories, datatype = schema.categories_by_column.get(column), _datatype(tensor)
    values: Any = None
    if categories is None and datatype == v2_tensor.BYTES:
        texts = _texts(tensor)
        numbers = [schema.number_in_text(row, column, text) for row, text in enumerate(texts)]
        return _flat(tensor, v2_tensor.reshaped(tensor.name, np.array(numbers), tensor.shape))
    if categories is not None and datatype == v2_tensor.BYTES:
        values = _texts(tensor)
    else:
        array = _array(tensor)
        if categories is None:
            return _flat(tensor, array)
        if array.dtype.kind != "b":
            return schema.codes_from_numbers(_flat(tensor, array), column)
        values = ["true" if value else "false" for value in array.ravel().tolist()]
    codes = codes_of(values, categories)
    if codes is None:
        codes = np.array(
            [schema.category_code(row, column, text) for row, text in enumerate(values)]
        )
    return _flat(tensor, v2_tensor.reshaped(tensor.name, codes, tensor.shape))


def _texts(tensor: RequestInput) -> list[str]:
    return decoded(texts_of(tensor.name, tensor.shape, _data(tensor)), tensor)


def _flat(tensor: RequestInput, array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim == 0 or array.size != len(array):
        raise InvalidInput(
            f"input {format_value(tensor.name)} has shape {list(array.shape)}; "
            "the tensor of one feature has [n] or [n, 1]"
        )
    return array.ravel()


def _array(tensor: RequestInput) -> NDArray[Any]:
    data, datatype = _data(tensor), _datatype(tensor)
    if isinstance(data, np.ndarray) and v2_tensor.is_array_of(data, datatype, tensor.shape):
        return data
    return v2_tensor.to_array(tensor.name, datatype, tensor.shape, data)


def _data(tensor: RequestInput) -> Any:
    return tensor.data.root if isinstance(tensor.data, TensorData) else tensor.data


def _datatype(tensor: RequestInput) -> str:
    return str(getattr(tensor.datatype, "value", tensor.datatype))
