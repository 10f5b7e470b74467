"""The OpenAPI descriptions of the routes that a server has."""

from collections.abc import Callable, Mapping
from typing import Any

from mlserver_forest import __version__
from mlserver_forest.serving.playground.playground_routes import PATHS


def routes_of_server(
    document: Mapping[str, Any], *, multi_model: bool, has_page: bool
) -> dict[str, Any]:
    """The description of a server's own routes.

    Args:
        document: settings/openapi.json, which describes all routes.
        multi_model: whether models are loaded and unloaded at run time.
        has_page: whether there is a page at /, and the report.
    """
    hidden = ("/invocations",) if multi_model else ("/models", "/v2/repository/models/")
    return _only(
        document, lambda path: not path.startswith(hidden) and (path not in PATHS or has_page)
    )


def routes_of_v2(document: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a description that is about the Open Inference Protocol."""
    return _only(document, lambda path: path.startswith("/v2"))


def _only(document: Mapping[str, Any], has: Callable[[str], bool]) -> dict[str, Any]:
    paths = {path: item for path, item in document["paths"].items() if has(path)}
    info = {**document["info"], "version": __version__}
    return {**document, "info": info, "paths": paths}
