"""How a value that came from outside is shown in an error message."""

from typing import Any

_LONGEST = 40


def quoted(value: Any) -> str:
    """The value as Python writes it, cut to a length that a log line bears."""
    try:
        text = repr(value[: _LONGEST + 1] if isinstance(value, str | bytes | list) else value)
    except RecursionError:  # JSON may nest deeper than repr goes.
        text = f"a deeply nested {type(value).__name__}"
    return text if len(text) <= _LONGEST + 2 else text[:_LONGEST] + "..."
