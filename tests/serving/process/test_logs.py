"""Nothing that a client sends can look like a line of the log."""

import logging

from mlserver_forest.serving.process.logs import LineFormatter

FORMATTER = LineFormatter("%(levelname)s [%(request_id)s]: %(message)s")


def record_of(message, *values, error=None):
    exc_info = None if error is None else (type(error), error, None)
    return logging.LogRecord("forest", logging.ERROR, "x.py", 1, message, values, exc_info)


def test_line_ends_and_escapes_are_spelled_out():
    line = FORMATTER.format(record_of("%s failed", "POST /a\nERROR [-]: forged\x1b[2J\u2028é"))
    assert line == r"ERROR [-]: POST /a\nERROR [-]: forged\x1b[2J\u2028é failed"


def test_the_lines_of_an_exception_are_indented():
    text = FORMATTER.format(record_of("failed", error=ValueError("x\nERROR [-]: forged\x1b")))
    assert text.splitlines() == [
        "ERROR [-]: failed",
        "  ValueError: x",
        r"  ERROR [-]: forged\x1b",
    ]
