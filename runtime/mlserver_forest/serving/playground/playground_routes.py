"""The routes of the page, and of the training report that it links."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlserver_forest.errors import ModelNotFound, NotFound
from mlserver_forest.serving.http.request import Request
from mlserver_forest.serving.http.response import NOT_MODIFIED, Response
from mlserver_forest.serving.http.routes import Methods
from mlserver_forest.serving.models.loaded_models import LoadedModel, LoadedModels
from mlserver_forest.serving.playground.document import describe
from mlserver_forest.serving.playground.playground_page import Page, PageTemplate

REPORT_PATH = "/report"
# The report has its style and its plots in itself, and no script.
_REPORT_HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)
_MOST_LISTED = 1_000
_MOST_KEPT = 8


def report_beside(model_dir: Path) -> Path | None:
    """The report that a training job wrote where SageMaker's layout has it; None if there is none.

    Args:
        model_dir: the model directory.
    """
    report = model_dir.parent / "output" / "data" / "report.html"
    return report if report.is_file() else None


class PlaygroundRoutes:
    """``/``: the page of the loaded model, or a list of the loaded models.

    Args:
        models: the loaded models.
        has_many: whether models are loaded and unloaded at run time, and have routes of their own.
        report: the training report of the only model; None if there is none.
    """

    def __init__(self, models: LoadedModels, *, has_many: bool, report: Path | None = None) -> None:
        self._models = models
        self._report = report
        self._has_many = has_many
        self._template = PageTemplate()
        self._kept: dict[str, tuple[LoadedModel, Page]] = {}

    def table(self) -> Mapping[str, Methods]:
        page: Mapping[str, Methods] = {"/": {"GET": self._show, "HEAD": self._show}}
        if self._report is None:
            return page
        return {**page, REPORT_PATH: {"GET": self._show_report, "HEAD": self._show_report}}

    def document(self) -> dict[str, Any]:
        """What the page of the only model shows.

        Raises:
            ModelNotFound: if no model is loaded, or several are.
        """
        models, _ = self._models.page("", _MOST_LISTED)
        name = next(iter(models)) if len(models) == 1 else ""
        return self._described(self._models.get(name))

    async def _show(self, request: Request) -> Response:
        status, page = await self._page(request.parameters().get("model"))
        if request.headers.get(b"if-none-match") == page.etag:
            return Response(NOT_MODIFIED, headers=page.headers)
        return Response(status, page.body, page.headers)

    async def _page(self, name: str | None) -> tuple[int, Page]:
        """The page of the named or the only model, or else the list of models."""
        models, more = self._models.page("", _MOST_LISTED)
        shown = next(iter(models)) if name is None and len(models) == 1 else name
        if shown is not None:
            await self._models.wait_for(shown)
            with suppress(ModelNotFound):
                return 200, self._of(self._models.get(shown))
        document = {"models": [*models], "has_more": more is not None, "unknown": name}
        return 200 if name is None else 404, self._template.page("Models", document)

    def _of(self, served: LoadedModel) -> Page:
        kept = self._kept.get(served.name)
        if kept is not None and kept[0] is served:
            return kept[1]
        document = {"model": self._described(served)}
        page = self._template.page(served.name, document)
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[served.name] = (served, page)
        return page

    async def _show_report(self, request: Request) -> Response:
        try:
            body = await asyncio.to_thread((self._report or Path()).read_bytes)
        except OSError as error:
            raise NotFound(f"the report cannot be read: {error.strerror}") from error
        return Response(200, body, _REPORT_HEADERS)

    def _described(self, served: LoadedModel) -> dict[str, Any]:
        report = None if self._report is None else REPORT_PATH
        return describe(served, self._routes_of(served.name)) | {"report": report}

    def _routes_of(self, name: str) -> Mapping[str, str]:
        path = quote(name, safe="")
        invocations = f"/models/{path}/invoke" if self._has_many else "/invocations"
        return {"invocations": invocations, "infer": f"/v2/models/{path}/infer"}
