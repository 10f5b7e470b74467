"""MLServer's V2 application, with every error in the one shape."""

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from mlserver.errors import MLServerError
from mlserver.handlers import DataPlane, ModelRepositoryHandlers
from mlserver.rest.app import create_app
from mlserver.rest.responses import Response
from mlserver.settings import Settings
from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest
from starlette.types import ASGIApp

from mlserver_forest.errors import format_value
from mlserver_forest.serving.http import media_types, request_ids


def v2_application(
    settings: Settings, data_plane: DataPlane, handlers: ModelRepositoryHandlers
) -> ASGIApp:
    """Every V2 route of MLServer over REST.

    MLServer 1.7.1 leaves three kinds of error to FastAPI, which answers 422 with a
    list to a malformed request, ``{"detail": ...}`` to an unknown route, and plain
    text where a runtime fails.
    """
    app: FastAPI = create_app(settings, data_plane, handlers)
    app.add_exception_handler(MLServerError, _answered)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _failed)
    return app


async def _answered(request: StarletteRequest, error: Any) -> Response:
    return Response(_body(str(error)), error.status_code)


async def _malformed(request: StarletteRequest, error: Any) -> Response:
    sent = request.headers.get("content-type", media_types.JSON)
    if media_types.parse(sent).essence != media_types.JSON:
        return Response(_body(f"Content-Type {format_value(sent)}; expected application/json"), 415)
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    reason = first.get("ctx", {}).get("error", first["msg"])
    return Response(_body(f"not a V2 request: {place}: {reason}"), 400)


async def _refused(request: StarletteRequest, error: Any) -> Response:
    message = f"{request.method} {request.url.path}: {error.detail}"
    return Response(_body(message), error.status_code, error.headers)


async def _failed(request: StarletteRequest, error: Any) -> Response:
    """The boundary in app.py logs it."""
    return Response(_body("the server failed on this request; its log has the reason"), 500)


def _body(message: str) -> dict[str, str]:
    return {"error": message, "request_id": request_ids.current()}
