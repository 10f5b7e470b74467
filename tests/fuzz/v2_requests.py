"""Valid V2 requests, and what a model does with their tensors."""

import json

import numpy as np

from fuzz.request_bodies import check
from fuzz.request_samples import SCHEMAS
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.v2.input_tensors import matrix_of

# The last one has columns that are sent as text.
V2_SCHEMAS = (
    *SCHEMAS[:7],
    Schema(("a", "b"), "regression", categories={"b": Categories(("blue", "green", "red"))}),
)
_RNG = np.random.default_rng(0)
_DTYPES = {
    "FP32": "<f4", "FP64": "<f8", "FP16": "<f2", "INT8": "i1", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "u1", "UINT64": "<u8", "BOOL": "?",
}  # fmt: skip


def read_inputs(request, choice):
    """Read the tensors of a request as a model with one of the schemas does."""
    schema = V2_SCHEMAS[choice % len(V2_SCHEMAS)]
    check(matrix_of(request.inputs, schema), schema)


def tensors():
    """Name, datatype and array of the inputs of each request."""
    for datatype, dtype in _DTYPES.items():
        for shape in ((1, 4), (5, 4), (3, 1)):
            array = (_RNG.normal(size=shape) * 9).astype(dtype)
            yield [("X", datatype, array)]
            columns = array.T if shape[1] == 4 else [array]
            yield [("abcd"[n], datatype, column) for n, column in enumerate(columns)]
    words = np.array([b"red", b"green", b"blue"], dtype=object)
    yield [("a", "FP32", np.float32([1, 2, 3])), ("b", "BYTES", words)]
    yield [("rows", "BYTES", np.array([[b"1", b"red"], [b"2.5", b"blue"]], dtype=object))]


def documents():
    """The requests as JSON."""
    for inputs in tensors():
        for is_nested in (False, True):
            yield {
                "id": "1",
                "parameters": {"content_type": "np"},
                "inputs": [
                    {
                        "name": name,
                        "datatype": datatype,
                        "shape": list(array.shape),
                        "data": _listed(array if is_nested else array.ravel()),
                    }
                    for name, datatype, array in inputs
                ],
                "outputs": [{"name": "predict", "parameters": {"binary_data": is_nested}}],
            }


def _listed(array):
    return json.loads(json.dumps(array.tolist(), default=bytes.decode))


def raw(datatype, array):
    """The bytes of a tensor."""
    if datatype != "BYTES":
        return np.ascontiguousarray(array).tobytes()
    return b"".join(len(word).to_bytes(4, "little") + word for word in array.ravel())
