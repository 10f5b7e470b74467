"""Log lines for machines."""

import json
import logging
from datetime import UTC, datetime

from mlserver_forest.serving import request_ids


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
