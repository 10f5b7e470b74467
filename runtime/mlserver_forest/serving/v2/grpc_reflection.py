"""Server reflection: clients such as grpcurl learn the services and messages from the server.

Both versions of the protocol are spoken, v1 and v1alpha, which differ in their names alone.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import DecodeError
from grpc import StatusCode, aio

from mlserver_forest.errors import InvalidInput, printable
from mlserver_forest.serving.v2.grpc_descriptors import Field, file_of, message_class

_VERSIONS = ("grpc.reflection.v1", "grpc.reflection.v1alpha")
SERVICES = tuple(f"{version}.ServerReflection" for version in _VERSIONS)
METHOD = "ServerReflectionInfo"
_MESSAGES: Mapping[str, Sequence[Field]] = {
    "ServerReflectionRequest": [
        ("host", 1, "string"),
        ("file_by_filename", 3, "string"),
        ("file_containing_symbol", 4, "string"),
        ("file_containing_extension", 5, "ExtensionRequest"),
        ("all_extension_numbers_of_type", 6, "string"),
        ("list_services", 7, "string"),
    ],
    "ExtensionRequest": [("containing_type", 1, "string"), ("extension_number", 2, "int32")],
    "ServerReflectionResponse": [
        ("valid_host", 1, "string"),
        ("original_request", 2, "ServerReflectionRequest"),
        ("file_descriptor_response", 4, "FileDescriptorResponse"),
        ("all_extension_numbers_response", 5, "ExtensionNumberResponse"),
        ("list_services_response", 6, "ListServiceResponse"),
        ("error_response", 7, "ErrorResponse"),
    ],
    "FileDescriptorResponse": [("file_descriptor_proto", 1, "bytes*")],
    "ExtensionNumberResponse": [
        ("base_type_name", 1, "string"),
        ("extension_number", 2, "int32*"),
    ],
    "ListServiceResponse": [("service", 1, "ServiceResponse*")],
    "ServiceResponse": [("name", 1, "string")],
    "ErrorResponse": [("error_code", 1, "int32"), ("error_message", 2, "string")],
}
# Of these, a request has one; which one is told by its presence.
_ONE_OF = (
    ("ServerReflectionRequest", "message_request", range(3, 8)),
    ("ServerReflectionResponse", "message_response", range(4, 8)),
)
_FILES = tuple(
    file_of(
        version,
        _MESSAGES,
        methods={
            "ServerReflection": {
                METHOD: ("ServerReflectionRequest", "ServerReflectionResponse", True, True)
            }
        },
        one_of=_ONE_OF,
    )
    for version in _VERSIONS
)
_NOT_FOUND = StatusCode.NOT_FOUND.value[0]


class Reflection:
    """The service, in both versions.

    Args:
        files: describe the other services of the server.
    """

    def __init__(self, files: Sequence[FileDescriptor]) -> None:
        self._files = {file.name: file for file in (*files, *_FILES)}
        self._services = sorted(
            service.full_name
            for file in self._files.values()
            for service in file.services_by_name.values()
        )

    def streams(
        self, read: Callable[[Any], Awaitable[Any]]
    ) -> Mapping[str, Callable[[Any], AsyncIterator[Any]]]:
        """The method of each version's service.

        Args:
            read: receives a message of a call.
        """
        return {
            service: self._stream(read, file)
            for service, file in zip(SERVICES, _FILES, strict=True)
        }

    def _stream(
        self, read: Callable[[Any], Awaitable[Any]], file: FileDescriptor
    ) -> Callable[[Any], AsyncIterator[Any]]:
        request_class = message_class(file, "ServerReflectionRequest")
        response_class = message_class(file, "ServerReflectionResponse")

        async def answer(context: Any) -> AsyncIterator[Any]:
            while (data := await read(context)) is not aio.EOF:
                try:
                    request = request_class.FromString(data)
                except DecodeError as error:
                    raise InvalidInput("the message is no ServerReflectionRequest") from error
                response = response_class(valid_host=request.host, original_request=request)
                self._fill(response, request)
                yield response

        return answer

    def _fill(self, response: Any, request: Any) -> None:
        asked = request.WhichOneof("message_request")
        if asked == "list_services":
            for name in self._services:
                response.list_services_response.service.add(name=name)
            return
        file = self._file(asked, request)
        if file is None:
            response.error_response.error_code = _NOT_FOUND
            name = printable(str(getattr(request, asked))) if asked else "nothing"
            response.error_response.error_message = f"{name} was asked for, which is not described"
        else:
            described = response.file_descriptor_response.file_descriptor_proto
            described.extend(file.serialized_pb for file in _with_dependencies(file))

    def _file(self, asked: str | None, request: Any) -> FileDescriptor | None:
        if asked == "file_by_filename":
            return self._files.get(request.file_by_filename)
        if asked != "file_containing_symbol":
            return None
        for file in self._files.values():
            try:
                found = file.pool.FindFileContainingSymbol(request.file_containing_symbol)
            except KeyError:
                continue
            if found.name in self._files:
                return found
        return None


def _with_dependencies(file: FileDescriptor) -> list[FileDescriptor]:
    """A file and all that it imports, each once."""
    found = {file.name: file}
    left = [file]
    while left:
        for other in left.pop().dependencies:
            if other.name not in found:
                found[other.name] = other
                left.append(other)
    return list(found.values())
