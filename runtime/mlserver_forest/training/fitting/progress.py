"""The progress of a fit: a bar on a terminal, a plain line every few seconds elsewhere."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 5.0
_WIDTH, _HEIGHT = 80, 24

Say = Callable[[str], None]


class Progress:
    """Reports trees or rounds as they are finished.

    Args:
        unit: "trees" or "rounds".
        total: the number of trees or rounds.
        say: is called with each line of the log.
    """

    def __init__(self, unit: str, total: int, say: Say) -> None:
        self._unit = unit
        self._total = total
        self._say = say
        self._began = self._reported_at = time.monotonic()
        self._first: int | None = None
        self._bar = _bar(unit, total) if sys.stderr.isatty() else None

    def at(self, done: int, metrics: Mapping[str, float] | None = None) -> None:
        """Report a number of trees or rounds.

        Args:
            done: the number of trees or rounds so far, including those of a checkpoint.
            metrics: the metrics of the forest so far.
        """
        if self._first is None:
            self._first = done
        if self._bar is not None:
            known = {name: f"{value:.4g}" for name, value in (metrics or {}).items()}
            self._bar.set_postfix(known, refresh=False)
            self._bar.n = done
            self._bar.refresh()
        elif time.monotonic() - self._reported_at >= _SECONDS_BETWEEN_LINES and done < self._total:
            self._reported_at = time.monotonic()
            self._say(self._line(done, metrics or {}))

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def _line(self, done: int, metrics: Mapping[str, float]) -> str:
        passed = time.monotonic() - self._began
        here = done - (self._first or 0)
        left = f", about {passed / here * (self._total - done):.0f} s left" if here > 0 else ""
        known = "".join(f", {name} {value:.4g}" for name, value in metrics.items())
        return f"{done} of {self._total} {self._unit}{known}, {passed:.0f} s{left}"


def _bar(unit: str, total: int) -> Any:
    """A bar as wide as the terminal; Docker's terminal has no size at first."""
    size = os.get_terminal_size(sys.stderr.fileno())
    width, height = size.columns or _WIDTH, size.lines or _HEIGHT
    return tqdm(total=total, unit=unit, leave=False, ncols=width, nrows=height)
