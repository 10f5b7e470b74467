"""Protobuf messages of services that MLServer's package does not have, made from short tables.

They live in a pool of their own: the packages that also define them, if they are installed, are
not disturbed, and their versions do not matter. Numbers and names are those of the .proto files of
grpc.health.v1, of grpc.reflection and of Triton.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor, FileDescriptor

# A field: its name, its number, and its type: one of these, or the name of a message or an enum of
# the file; with * if it is repeated.
Field = tuple[str, int, str]
_TYPES: Mapping[str, int] = {
    "string": FieldDescriptor.TYPE_STRING,
    "bytes": FieldDescriptor.TYPE_BYTES,
    "int32": FieldDescriptor.TYPE_INT32,
}
_POOL = descriptor_pool.DescriptorPool()


def file_of(
    package: str,
    messages: Mapping[str, Sequence[Field]],
    enums: Mapping[str, Sequence[str]] | None = None,
    methods: Mapping[str, Mapping[str, tuple[str, str, bool, bool]]] | None = None,
    one_of: Sequence[tuple[str, str, Collection[int]]] = (),
) -> FileDescriptor:
    """Define the messages and services of a package.

    Args:
        package: such as ``grpc.health.v1``.
        messages: the fields of each message.
        enums: the names of the values of each enum, numbered from 0, by message and enum.
        methods: for each service and method, the request's and the response's message, and whether
            the requests and the responses are a stream.
        one_of: messages, the names of their choices, and the numbers of the fields of which a
            message has one.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name=package.replace(".", "/") + ".proto", package=package, syntax="proto3"
    )
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        _add_enums(message, enums or {})
        for field in fields:
            _add_field(message, field, package, enums or {})
        _add_choice(message, one_of)
    for service_name, of_service in (methods or {}).items():
        service = file.service.add(name=service_name)
        for name, (request, response, is_read, is_written) in of_service.items():
            service.method.add(
                name=name,
                input_type=f".{package}.{request}",
                output_type=f".{package}.{response}",
                client_streaming=is_read,
                server_streaming=is_written,
            )
    _POOL.Add(file)
    return _POOL.FindFileByName(file.name)


def message_class(file: FileDescriptor, name: str) -> Any:
    """The class of a message of a file."""
    return message_factory.GetMessageClass(file.message_types_by_name[name])


def _add_field(message: Any, field: Field, package: str, enums: Mapping[str, Any]) -> None:
    name, number, kind = field
    is_repeated, kind = kind.endswith("*"), kind.removesuffix("*")
    added = message.field.add(
        name=name,
        number=number,
        label=FieldDescriptor.LABEL_REPEATED if is_repeated else FieldDescriptor.LABEL_OPTIONAL,
    )
    if kind in _TYPES:
        added.type = _TYPES[kind]
    else:
        is_enum = kind in enums
        added.type = FieldDescriptor.TYPE_ENUM if is_enum else FieldDescriptor.TYPE_MESSAGE
        added.type_name = f".{package}.{kind}"


def _add_enums(message: Any, enums: Mapping[str, Sequence[str]]) -> None:
    for name, values in enums.items():
        owner, _, short = name.partition(".")
        if owner == message.name:
            enum = message.enum_type.add(name=short)
            for number, value in enumerate(values):
                enum.value.add(name=value, number=number)


def _add_choice(message: Any, one_of: Sequence[tuple[str, str, Collection[int]]]) -> None:
    for name, choice, numbers in one_of:
        if name == message.name:
            message.oneof_decl.add(name=choice)
            for field in message.field:
                if field.number in numbers:
                    field.oneof_index = 0
