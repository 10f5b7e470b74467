"""An ONNX file -> the record of its model: its bytes, parsed by protobuf, with nothing executed."""

import re
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.onnx.onnx_messages import model_class
from mlserver_forest.importers.pickles.record import GlobalName, Record

MODULE = "onnxruntime"
# protobuf itself reads no larger message.
_MOST_BYTES = (1 << 31) - 1
# TensorProto.DataType, and where a tensor keeps its elements if not in raw_data.
_DTYPES = {1: "float32", 6: "int32", 7: "int64", 11: "float64", 2: "uint8", 9: "bool"}
_FIELDS = {"float32": "float_data", "float64": "double_data", "int64": "int64_data"}
_STRING = 8
_VERSION = re.compile(r"\d[\w.+-]{0,39}")
_EXTERNAL = 1
_MOST_RANK = 8


def is_model(head: bytes) -> bool:
    """Whether ``head`` begins an ONNX file: the version of the format, and then who wrote it.

    TensorFlow's SavedModel begins with a version 1, Core ML's with a message.
    """
    return (
        len(head) > 3
        and head[0] == 0x08
        and 3 <= head[1] <= 0x20
        and (head[2] in b"\x1a\x22\x2a\x32\x3a\x42" or (head[2] == 0x12 and head[4:5] != b"\x0a"))
    )


def read(path: Path) -> Record:
    """Read a file.

    Returns:
        A record named after the operator of its tree ensemble, or after another one if there is
        none, with the parsed message as ``model`` and the bytes as ``content``.

    Raises:
        UnsupportedEstimator: if it is damaged.
    """
    content = path.read_bytes()
    if len(content) > _MOST_BYTES:
        raise UnsupportedEstimator(f"{path} has more than {_MOST_BYTES} bytes, as no ONNX file")
    model = model_class()()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise UnsupportedEstimator(f"{path} is a damaged ONNX file: {error}") from error
    operators = [node.op_type for node in model.graph.node]
    found = [name for name in operators if name.startswith("TreeEnsemble")]
    if not found:
        shown = ", ".join(dict.fromkeys(operators)) or "no operators"
        raise UnsupportedEstimator(
            f"{path} is an ONNX model without a tree ensemble: it has {shown[:200]}; pack the "
            "file of the library that trained it"
        )
    return Record(GlobalName(MODULE, found[0]), state={"model": model, "content": content})


def version_of(record: Record) -> str:
    """The version of the operators, and who wrote them, such as "opset 3 (skl2onnx 1.20.0)"."""
    model = record.require("model")
    versions = [one.version for one in model.opset_import if one.domain == "ai.onnx.ml"]
    version = _VERSION.match(model.producer_version)  # CatBoost writes several lines.
    producer = " ".join(filter(None, (model.producer_name[:40], version[0] if version else "")))
    return f"opset {max(versions, default=1)}{producer and f' ({producer})'}"


def array_of(tensor: Any) -> NDArray[Any]:
    """A tensor of numbers as an array.

    Raises:
        UnsupportedEstimator: if it has another type, is in another file, or does not have the
            elements that its shape says.
    """
    dtype = _DTYPES.get(tensor.data_type)
    if dtype is None or tensor.data_location == _EXTERNAL:
        raise UnsupportedEstimator(
            f"the ONNX model has a tensor {tensor.name[:40]!r} that is in another file, or of the "
            f"data type {tensor.data_type}; save it in one file, with plain numbers"
        )
    if tensor.raw_data:
        x = np.frombuffer(tensor.raw_data, np.dtype(dtype).newbyteorder("<"))
    else:
        x = np.array(getattr(tensor, _FIELDS.get(dtype, "int32_data")), dtype)
    shape = tuple(tensor.dims)
    if len(shape) > _MOST_RANK or min(shape, default=0) < 0 or prod(shape) != x.size:
        raise UnsupportedEstimator(
            f"a tensor of the ONNX model declares the shape {shape}, and has {x.size} elements; "
            "the file is damaged"
        )
    return x.reshape(shape)


def words_of(tensor: Any) -> list[str]:
    """A tensor of text; empty if it is not one."""
    is_text = tensor.data_type == _STRING
    return [word.decode("utf-8", "replace") for word in tensor.string_data] if is_text else []
