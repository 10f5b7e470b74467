"""Lengths of time on a command line, such as 30m, 6h or 7d."""

import re
from datetime import timedelta

from mlserver_forest.errors import DeploymentError

_SPAN = re.compile(r"(?P<number>[0-9]{1,6})(?P<unit>[mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def parse_span(text: str, longest: timedelta) -> timedelta:
    """Read the value of ``--since``.

    Args:
        text: such as 30m, 6h or 1d.
        longest: the longest time, in whole days.

    Raises:
        DeploymentError: if it is none, or is longer.
    """
    found = _SPAN.fullmatch(text)
    length = int(found["number"]) * _UNITS[found["unit"]] if found else timedelta()
    if not timedelta() < length <= longest:
        raise DeploymentError(
            f"--since {text!r}: expected minutes, hours or days such as 30m, 6h or 1d, at most "
            f"{longest.days}d"
        )
    return length
