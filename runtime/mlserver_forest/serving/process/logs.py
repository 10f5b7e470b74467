"""The log: lines for people, or JSON for machines."""

import json
import logging.config
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from mlserver_forest.serving.tracing.request_id import (
    current_ids,
    current_request_id,
    current_trace_id,
)

# Its lines are JSON for CloudWatch, which are written as they are.
EMF_LOGGER = "mlserver_forest.emf"


def configure_logging(*, as_json: bool) -> None:
    """Log to standard output as settings/logging.json says, as lines or as JSON."""
    text = (
        resources.files("mlserver_forest").joinpath("settings", "logging.json").read_text("utf-8")
    )
    config = json.loads(text)
    config["handlers"]["stdout"]["formatter"] = "json" if as_json else "line"
    logging.config.dictConfig(config)


class JSONFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request_id, trace_id, exception."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **current_ids(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class LineFormatter(logging.Formatter):
    """A line for people, with the id of the request that it belongs to.

    What clients send cannot begin a line: it is escaped, and the lines of a traceback are indented.
    """

    def format(self, record: logging.LogRecord) -> str:
        trace_id = current_trace_id()
        record.request_id = current_request_id() + (f" trace {trace_id}" if trace_id else "")
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the base class's name
        record.message = escape_controls(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802  # the base class's name
        lines = super().formatException(ei).splitlines()
        return "\n".join(f"  {escape_controls(line)}" for line in lines)


def escape_controls(text: str) -> str:
    """Text in which what is not printable, such as line ends and escapes, is spelled out."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
