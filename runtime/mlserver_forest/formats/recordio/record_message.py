"""The message ``aialgs.data.Record`` of SageMaker's built-in algorithms.

https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html; the field numbers are
those of ``sagemaker/amazon/record_pb2.py`` in the SageMaker Python SDK 2.257.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "aialgs.data"
_SCALARS = {
    "float": _Field.TYPE_FLOAT,
    "double": _Field.TYPE_DOUBLE,
    "int32": _Field.TYPE_INT32,
    "uint64": _Field.TYPE_UINT64,
    "bytes": _Field.TYPE_BYTES,
    "string": _Field.TYPE_STRING,
}
# The fields of a message by name: number, type, whether the field is repeated.
_Fields = Mapping[str, tuple[int, str, bool]]
_TENSORS = {"Float32Tensor": "float", "Float64Tensor": "double", "Int32Tensor": "int32"}
_VALUE: _Fields = {
    "float32_tensor": (2, "Float32Tensor", False),
    "float64_tensor": (3, "Float64Tensor", False),
    "int32_tensor": (7, "Int32Tensor", False),
    "bytes": (9, "Bytes", False),
}
_RECORD: _Fields = {
    "features": (1, "Record.FeaturesEntry", True),
    "label": (2, "Record.LabelEntry", True),
    "uid": (3, "string", False),
    "metadata": (4, "string", False),
    "configuration": (5, "string", False),
}
_ENTRY: _Fields = {"key": (1, "string", False), "value": (2, "Value", False)}


def record_class() -> Any:
    """The class of the message.

    It is made in a descriptor pool of its own: other packages define a message of this name.
    """
    file = descriptor_pb2.FileDescriptorProto(name="record.proto", package=_PACKAGE)
    for name, kind in _TENSORS.items():
        _add(
            file.message_type.add(name=name),
            {"values": (1, kind, True), "keys": (2, "uint64", True), "shape": (3, "uint64", True)},
        )
    _add(
        file.message_type.add(name="Bytes"),
        {"value": (1, "bytes", True), "content_type": (2, "string", False)},
    )
    value = file.message_type.add(name="Value")
    value.oneof_decl.add(name="value")
    _add(value, _VALUE)
    for field in value.field:
        field.oneof_index = 0
    record = file.message_type.add(name="Record")
    _add(record, _RECORD)
    for name in ("FeaturesEntry", "LabelEntry"):
        entry = record.nested_type.add(name=name)
        entry.options.map_entry = True
        _add(entry, _ENTRY)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Record"))


def _add(message: descriptor_pb2.DescriptorProto, fields: _Fields) -> None:
    for name, (number, kind, is_repeated) in fields.items():
        field = message.field.add(name=name, number=number)
        field.label = _Field.LABEL_REPEATED if is_repeated else _Field.LABEL_OPTIONAL
        if kind not in _SCALARS:
            field.type = _Field.TYPE_MESSAGE
            field.type_name = f".{_PACKAGE}.{kind}"
            continue
        field.type = _SCALARS[kind]
        if is_repeated and kind != "bytes":
            field.options.packed = True
