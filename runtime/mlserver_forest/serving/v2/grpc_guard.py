"""How many objects a message would become, counted in its bytes before protobuf makes them.

A field without content takes two bytes in a message and more than a hundred in memory. The wire
format is described at https://protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from mlserver.grpc import dataplane_pb2 as pb

from mlserver_forest.errors import PayloadTooLarge

# Tensors, dimensions, parameters and outputs with their fields; a tensor has about six.
MOST_FIELDS = 50_000
# Shorter messages hold too few fields to matter.
_FEW_BYTES = 2**16
# A repeated number may stand in one field, with a byte or more for each.
_PACKED: Mapping[int, Any] = {0: None}
LENGTH = 2
_VARINT, _EIGHT_BYTES, _FOUR_BYTES = 0, 1, 5


def check_fields(data: bytes) -> None:
    """Check that a ``ModelInferRequest`` does not have too many fields.

    The values in the contents of tensors are not counted: they take about as many bytes in memory
    as in the message.

    Raises:
        PayloadTooLarge: if it has more than ``MOST_FIELDS``.
    """
    if len(data) > _FEW_BYTES:
        _count(data, 0, len(data), _REQUEST, MOST_FIELDS)


def _count(data: bytes, position: int, end: int, known: Mapping[int, Any], left: int) -> int:
    """Count the fields between two positions, of the message that ``known`` describes.

    Args:
        data: the message.
        position: where its fields begin.
        end: where they end.
        known: for each field that is to be looked into, what is in it.
        left: how many fields there may be.

    Returns:
        How many there may be after these. Bytes that are not a message end the count; protobuf
        refuses them.
    """
    while position < end:
        left = _less(left, 1)
        key, position = varint(data, position, end)
        kind = key & 7
        if kind == LENGTH:
            length, position = varint(data, position, end)
            inside = known.get(key >> 3)
            if inside is _PACKED:
                left = _less(left, length)
            elif inside is not None:
                left = _count(data, position, min(position + length, end), inside, left)
            position += length
        elif kind == _VARINT:
            _, position = varint(data, position, end)
        elif kind in (_FOUR_BYTES, _EIGHT_BYTES):
            position += 4 if kind == _FOUR_BYTES else 8
        else:
            return left
    return left


def _less(left: int, n_fields: int) -> int:
    if n_fields > left:
        raise PayloadTooLarge(
            f"the message has more than {MOST_FIELDS} tensors, dimensions, parameters and "
            "outputs; send one tensor with all columns"
        )
    return left - n_fields


def varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """A number and the position behind it; the end if there is none."""
    value = shift = 0
    while position < end:
        byte = data[position]
        value |= (byte & 127) << shift
        position += 1
        if byte < 128:  # The highest bit says that more bytes follow.
            return value, position
        shift += 7
        if shift > 63:  # No number has more bytes.
            break
    return 0, end


def _described(message: Descriptor) -> Mapping[int, Any]:
    """What is in the fields of a message, by their numbers; contents are left out."""
    found: dict[int, Any] = {}
    for field in message.fields:
        if field.message_type is not None and field.name != "contents":
            found[field.number] = _described(field.message_type)
        elif field.is_repeated and field.type == FieldDescriptor.TYPE_INT64:
            found[field.number] = _PACKED
    return found


_REQUEST = _described(pb.ModelInferRequest.DESCRIPTOR)
