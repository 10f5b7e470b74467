"""A ``ModelInferRequest`` from its bytes, without a copy of the raw contents of a large one.

protobuf copies raw contents when it parses a message, and again whenever they are read, and holds
Python's lock meanwhile: 50 ms each for 48 MB, in which the event loop answers nobody.
"""

from typing import Any

from google.protobuf.message import DecodeError
from mlserver.grpc import dataplane_pb2 as pb

from mlserver_forest.errors import InvalidInput
from mlserver_forest.serving.pipeline import is_large
from mlserver_forest.serving.v2.grpc_guard import LENGTH, check_fields, varint

_RAW_CONTENTS = pb.ModelInferRequest.DESCRIPTOR.fields_by_name["raw_input_contents"].number


class SplitRequest:
    """A message as protobuf has it, but for its raw contents.

    Args:
        message: the ``ModelInferRequest`` without them.
        raw_input_contents: views of the bytes that came.
    """

    def __init__(self, message: Any, raw_input_contents: list[memoryview]) -> None:
        self._message = message
        self.raw_input_contents = raw_input_contents

    def __getattr__(self, name: str) -> Any:
        return getattr(self._message, name)


def read_request(data: bytes) -> Any:
    """Read a message.

    Returns:
        A ``ModelInferRequest``, or a ``SplitRequest`` with the same attributes.

    Raises:
        InvalidInput: if it is not a message.
        PayloadTooLarge: if it has too many fields.
    """
    check_fields(data)
    found = _raw_contents(data) if is_large(len(data)) else []
    try:
        if not found:
            return pb.ModelInferRequest.FromString(data)
        begins, ends = [*(field for field, _, _ in found), len(data)], [0, *(e for *_, e in found)]
        rest = b"".join(data[end:begin] for end, begin in zip(ends, begins, strict=True))
        message = pb.ModelInferRequest.FromString(rest)
    except DecodeError as error:
        raise InvalidInput("the message is not a ModelInferRequest") from error
    view = memoryview(data)
    return SplitRequest(message, [view[start:end] for _, start, end in found])


def _raw_contents(data: bytes) -> list[tuple[int, int, int]]:
    """Where each field of raw contents begins, where its bytes begin, and where they end.

    There are none if the message has fields of a kind that no ``ModelInferRequest`` has.
    """
    found, position = [], 0
    while position < len(data):
        field = position
        key, position = varint(data, position, len(data))
        length, start = varint(data, position, len(data))
        position = start + length
        is_cut_off = position > len(data) or (not length and data[start - 1] != 0)
        if key & 7 != LENGTH or is_cut_off:
            return []
        if key >> 3 == _RAW_CONTENTS:
            found.append((field, start, position))
    return found
