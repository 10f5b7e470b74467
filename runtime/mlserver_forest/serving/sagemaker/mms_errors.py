"""Errors under /models in multi-model-server's words, beside this server's own.

Clients of AWS's images compare ``message``, and the names of Java's exceptions, with those that
multi-model-server writes (its ErrorResponse.java).
"""

from collections.abc import Mapping
from typing import Any

from mlserver_forest.errors import AlreadyLoaded, ModelNotFound, printable

_PATH = b"/models"
_TYPES: Mapping[int, str] = {
    400: "BadRequestException",
    404: "ResourceNotFoundException",
    405: "MethodNotAllowedException",
    409: "ConflictStatusException",
    503: "ServiceUnavailableException",
    507: "WorkerInitializationException",
}
_CLIENTS_FAULT, _SERVERS_FAULT = "BadRequestException", "InternalServerException"
_FIRST_OF_SERVER = 500


def fields_of(
    path: bytes, status: int, message: str, error: Exception | None = None
) -> Mapping[str, Any]:
    """``code``, ``type`` and ``message`` for the body of an error; nothing on other routes.

    Args:
        path: of the request.
        status: of the response.
        message: what this server says.
        error: what was raised, if anything was.
    """
    if not path.startswith(_PATH):
        return {}
    default = _CLIENTS_FAULT if status < _FIRST_OF_SERVER else _SERVERS_FAULT
    kind = _TYPES.get(status, default)
    if isinstance(error, ModelNotFound):
        kind, message = "ModelNotFoundException", f"Model not found: {printable(error.name)}"
    elif isinstance(error, AlreadyLoaded):
        message = f"Model {printable(error.name)} is already registered."
    return {"code": status, "type": kind, "message": message}
