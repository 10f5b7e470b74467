"""The ``context`` of a script or handler: a request's headers, and what it sets for the answer.

It has the methods of multi-model-server 1.1's ``mms.context.Context``, for a batch of one request.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from mlserver_forest import __version__

logger = logging.getLogger(__name__)


class RequestHeaders(Mapping[str, Any]):
    """Headers by name; upper and lower case are the same, as clients may send either.

    Args:
        headers: by name in lower case.
    """

    def __init__(self, headers: Mapping[str, Any]) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> Any:
        return self._headers[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)


class HandlerMetrics:
    """Takes the metrics that a handler adds, and writes them to the log at DEBUG."""

    def __init__(self, model_name: str) -> None:
        self._model_name = model_name

    def add_metric(self, name: str, value: Any, *others: Any, **named: Any) -> None:
        """Log a metric."""
        logger.debug("model %r: %s is %s", self._model_name, name, value)

    add_counter = add_time = add_size = add_percent = add_error = add_metric


class RequestProcessor:
    """One request of the batch: its headers, and the status and headers of its answer."""

    def __init__(self, headers: RequestHeaders) -> None:
        self._headers = headers
        self._status = 200
        self._phrase: str | None = None
        self._response_headers: dict[str, str] = {}

    def get_request_property(self, key: str) -> Any:
        """A header of the request; None if it was not sent."""
        return self._headers.get(key)

    def get_request_properties(self) -> RequestHeaders:
        """All headers of the request."""
        return self._headers

    def report_status(self, code: int, reason_phrase: str | None = None) -> None:
        """Set the status of the answer."""
        self._status, self._phrase = code, reason_phrase

    def get_response_status_code(self) -> int:
        """The status of the answer."""
        return self._status

    def get_response_status_phrase(self) -> str | None:
        """The reason of the status, if there is one."""
        return self._phrase

    def add_response_property(self, key: str, value: str) -> None:
        """Set a header of the answer."""
        self._response_headers[key] = value

    def get_response_headers(self) -> dict[str, str]:
        """The headers of the answer."""
        return self._response_headers

    def get_response_header(self, key: str) -> str | None:
        """A header of the answer."""
        return self._response_headers.get(key)


class RequestContext:
    """What a script or handler may know of its model and of one request.

    Args:
        model_name: the name of the model on this server.
        model_dir: its directory.
        manifest: the content of ``MAR-INF/MANIFEST.json``; None if there is none.
        headers: the request's headers by name in lower case; empty while the model is loaded.
        request_id: the request's id; None while the model is loaded.
    """

    def __init__(
        self,
        model_name: str,
        model_dir: str,
        manifest: Any = None,
        headers: Mapping[str, str] | None = None,
        request_id: str | None = None,
    ) -> None:
        self.model_name = model_name
        self.manifest = manifest
        self.metrics = HandlerMetrics(model_name)
        self.system_properties = {
            "model_dir": model_dir,
            "gpu_id": None,
            "batch_size": 1,
            "server_name": "MMS",  # Some handlers ask.
            "server_version": __version__,
        }
        self.request_ids = {0: request_id} if request_id else None
        self.request_processor = [RequestProcessor(RequestHeaders(headers or {}))]

    def get_request_id(self, idx: int = 0) -> str | None:
        """The id of the request."""
        return (self.request_ids or {}).get(idx)

    def get_request_header(self, idx: int, key: str) -> Any:
        """A header of the request; None if it was not sent."""
        return self.request_processor[idx].get_request_property(key)

    def get_all_request_header(self, idx: int) -> RequestHeaders:
        """All headers of the request."""
        return self.request_processor[idx].get_request_properties()

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Set the media type of the answer."""
        self.set_response_header(idx, "content-type", value)

    def get_response_content_type(self, idx: int) -> str | None:
        """The media type of the answer, if it is set."""
        return self.get_response_headers(idx).get("content-type")

    def get_response_status(self, idx: int) -> tuple[int, str | None]:
        """The status of the answer and its reason."""
        processor = self.request_processor[idx]
        return processor.get_response_status_code(), processor.get_response_status_phrase()

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Set the status of the answer."""
        self.request_processor[idx].report_status(code, reason_phrase=phrase)

    def set_all_response_status(self, code: int = 200, phrase: str = "") -> None:
        """Set the status of the answer."""
        for idx, _ in enumerate(self.request_processor):
            self.set_response_status(code, phrase, idx)

    def get_response_headers(self, idx: int) -> dict[str, str]:
        """The headers of the answer."""
        return self.request_processor[idx].get_response_headers()

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Set a header of the answer."""
        self.request_processor[idx].add_response_property(key, value)
