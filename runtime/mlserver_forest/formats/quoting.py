"""How a value that came from outside is shown in an error message."""

from typing import Any

_LONGEST = 40


def quoted(value: Any) -> str:
    """The value as Python writes it, cut to a length that a log line bears."""
    text = repr(value[: _LONGEST + 1] if isinstance(value, str | bytes | list) else value)
    return text if len(text) <= _LONGEST + 2 else text[:_LONGEST] + "..."
