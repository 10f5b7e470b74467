"""The progress of a fit: a bar on a terminal, a plain line every few seconds elsewhere.

Neither begins with a fit that is over at once: its bar would be a line that says 0. How much time
is left is said after a tenth of the work, and by the steps after the first one, in which libraries
are loaded.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 5.0
_SECONDS_BEFORE_BAR = 1.0
_ESTIMATED_FROM = 0.1  # Of the work.
_WIDTH, _HEIGHT = 80, 24
_BAR = "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"

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
        # Where the second step begins, and when.
        self._steady: tuple[int, float] | None = None
        self._has_bar = sys.stderr.isatty()
        self._bar: Any = None

    def at(self, done: int, metrics: Mapping[str, float] | None = None) -> None:
        """Report a number of trees or rounds.

        Args:
            done: the number of trees or rounds so far, including those of a checkpoint.
            metrics: the metrics of the forest so far.
        """
        if self._first is None:
            self._first = done
        elif self._steady is None:
            self._steady = done, time.monotonic()
        if self._has_bar:
            self._show(done, metrics or {})
        elif time.monotonic() - self._reported_at >= _SECONDS_BETWEEN_LINES and done < self._total:
            self._reported_at = time.monotonic()
            self._say(self._line(done, metrics or {}))

    @contextmanager
    def interrupted(self) -> Iterator[None]:
        """Work that is no tree and no round: its time does not count."""
        began = time.monotonic()
        self.close()
        yield
        pause = time.monotonic() - began
        self._began += pause
        if self._steady:
            self._steady = self._steady[0], self._steady[1] + pause

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show(self, done: int, metrics: Mapping[str, float]) -> None:
        if self._bar is None:
            if done in (0, self._total) or self._passed() < _SECONDS_BEFORE_BAR:
                return
            self._bar = _bar(self._unit, self._total, self._began)
        left = self._left(done)
        self._bar.bar_format = _BAR if left is None else f"{_BAR}, about {left:.0f} s left"
        known = {name: f"{value:.4g}" for name, value in metrics.items()}
        self._bar.set_postfix(known, refresh=False)
        self._bar.n = done
        self._bar.refresh()

    def _passed(self) -> float:
        return time.monotonic() - self._began

    def _left(self, done: int) -> float | None:
        """How many seconds the rest may take; None if it is too early to tell."""
        if done - (self._first or 0) < _ESTIMATED_FROM * self._total or self._steady is None:
            return None
        at, when = self._steady
        if done <= at:
            return None
        return (time.monotonic() - when) / (done - at) * (self._total - done)

    def _line(self, done: int, metrics: Mapping[str, float]) -> str:
        seconds = self._left(done)
        left = "" if seconds is None else f", about {seconds:.0f} s left"
        known = "".join(f", {name} {value:.4g}" for name, value in metrics.items())
        return f"{done} of {self._total} {self._unit}{known}, {self._passed():.0f} s{left}"


def _bar(unit: str, total: int, began: float) -> Any:
    """A bar as wide as the terminal; Docker's terminal has no size at first."""
    size = os.get_terminal_size(sys.stderr.fileno())
    width, height = size.columns or _WIDTH, size.lines or _HEIGHT
    bar = tqdm(total=total, unit=unit, leave=False, ncols=width, nrows=height)
    bar.start_t -= time.monotonic() - began
    return bar
