"""MLServer's V2 application, with every error in the one shape ``{"error": ...}``."""

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from mlserver.handlers import DataPlane, ModelRepositoryHandlers
from mlserver.rest.app import create_app
from mlserver.rest.responses import Response
from mlserver.settings import Settings
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp


def v2_application(
    settings: Settings, data_plane: DataPlane, handlers: ModelRepositoryHandlers
) -> ASGIApp:
    """Every V2 route of MLServer over REST.

    MLServer 1.7.1 leaves two kinds of error to FastAPI, which answers 422 with a
    list to a malformed request, and ``{"detail": ...}`` to an unknown route.
    """
    app: FastAPI = create_app(settings, data_plane, handlers)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _refused)
    return app


async def _malformed(request: Request, error: Any) -> Response:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    reason = first.get("ctx", {}).get("error", first["msg"])
    return Response({"error": f"not a V2 request: {place}: {reason}"}, 400)


async def _refused(request: Request, error: Any) -> Response:
    message = f"{request.method} {request.url.path}: {error.detail}"
    return Response({"error": message}, error.status_code, error.headers)
