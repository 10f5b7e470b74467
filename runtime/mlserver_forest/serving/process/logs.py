"""The log: lines for people, or JSON for machines."""

import json
import logging.config
from datetime import UTC, datetime

from mlserver_forest.serving.http import request_ids
from mlserver_forest.serving.packaged_settings import read_packaged


def configure_logging(*, as_json: bool) -> None:
    """Log to standard output as settings/logging.json says, as lines or as JSON."""
    config = json.loads(read_packaged("logging.json"))
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
            "request_id": request_ids.current(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class LineFormatter(logging.Formatter):
    """The line for people, with the id of the request that it is about."""

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = request_ids.current()
        return super().format(record)
