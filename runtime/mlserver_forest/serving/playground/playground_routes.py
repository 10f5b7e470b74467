"""The routes of the page and of the training report."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from mlserver_forest.errors import ModelNotFound
from mlserver_forest.serving.http.request import Request
from mlserver_forest.serving.http.response import NOT_MODIFIED, Response, error_response
from mlserver_forest.serving.http.routes import Methods
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.models.loaded_models import LoadedModels
from mlserver_forest.serving.playground.document import describe
from mlserver_forest.serving.playground.playground_page import Page, PageTemplate
from mlserver_forest.serving.playground.training_report import REPORT_HEADERS, TrainingReport

PAGE_PATH, REPORT_PATH = "/", "/report"
PATHS = (PAGE_PATH, REPORT_PATH)

_MOST_LISTED = 1_000
_MOST_KEPT = 8


class PlaygroundRoutes:
    """``/``: the page of the loaded model, or a list of them; ``/report``: its training report.

    Args:
        models: the loaded models.
        has_many: whether models are loaded and unloaded at run time, and have routes of their own.
    """

    def __init__(self, models: LoadedModels, *, has_many: bool) -> None:
        self._models = models
        self._has_many = has_many
        self._template = PageTemplate()
        self._kept: dict[str, tuple[LoadedModel, Page]] = {}

    def table(self) -> Mapping[str, Methods]:
        return {PAGE_PATH: {"GET": self._show}, REPORT_PATH: {"GET": self._show_report}}

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
        if request.headers.get(b"if-none-match", b"").removeprefix(b"W/") == page.etag:
            return Response(NOT_MODIFIED, headers=page.headers)
        return Response(status, page.body, page.headers)

    async def _show_report(self, request: Request) -> Response:
        models, _ = self._models.page("", 2)
        if len(models) == 1:
            served = self._models.get(next(iter(models)))
            if report := self._report_of(served):
                with suppress(FileNotFoundError):  # A new training job has removed it.
                    return Response(200, report.read(), REPORT_HEADERS)
        return error_response(
            404, "there is no training report beside the model; train it with report=true"
        )

    def _report_of(self, served: LoadedModel) -> TrainingReport | None:
        """The report of the only model; one of many is in a folder that others may write to."""
        return None if self._has_many else TrainingReport.beside(served.directory)

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

    def _described(self, served: LoadedModel) -> dict[str, Any]:
        report = REPORT_PATH if self._report_of(served) else None
        return describe(served, self._routes_of(served.name), report)

    def _routes_of(self, name: str) -> Mapping[str, str]:
        path = quote(name, safe="")
        invocations = f"/models/{path}/invoke" if self._has_many else "/invocations"
        return {"invocations": invocations, "infer": f"/v2/models/{path}/infer"}
