"""The log: lines for people, or JSON for machines."""

import json
import logging.config
from datetime import UTC, datetime
from importlib import resources

from mlserver_forest.serving.http.request_id import current_request_id


def configure_logging(*, as_json: bool) -> None:
    """Log to standard output as settings/logging.json says, as lines or as JSON."""
    text = (
        resources.files("mlserver_forest").joinpath("settings", "logging.json").read_text("utf-8")
    )
    config = json.loads(text)
    config["handlers"]["stdout"]["formatter"] = "json" if as_json else "line"
    logging.config.dictConfig(config)


class JSONFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request_id, exception."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": current_request_id(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class LineFormatter(logging.Formatter):
    """A line for people, with the id of the request that it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = current_request_id()
        return super().format(record)
