"""Whether a text without a declared format is libsvm's, by its first lines."""

import re

_MOST_LINES = 50
_NUMBER = rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_ROW = re.compile(
    rb"%b(:%b)?(\s+qid:\d+)?(\s+\d+:(%b|nan))*\s*(#.*)?" % (_NUMBER, _NUMBER, _NUMBER)
)


def is_libsvm(head: bytes) -> bool:
    """Whether all whole lines are a label and ``index:value``, and one has a value.

    Args:
        head: the first bytes of a text.
    """
    lines = head.split(b"\n")
    lines = lines[:-1] if len(lines) > 1 and lines[-1] else lines
    rows = [line.strip() for line in lines[:_MOST_LINES] if line.strip()]
    return any(b":" in row for row in rows) and all(map(_ROW.fullmatch, rows))
