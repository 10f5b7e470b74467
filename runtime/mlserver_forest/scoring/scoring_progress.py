"""The progress of a run: a bar on a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 5.0
# An estimate before this share of the work is a guess.
_FEW = 0.02
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {postfix}"


class ScoringProgress:
    """Reports rows as they are written, and the time that is left by the bytes that were read.

    Args:
        n_bytes: of all files.
        n_done: the bytes that an earlier run has scored.
        say: is called with each line, if there is no terminal.
    """

    def __init__(self, n_bytes: int, n_done: int, say: Callable[[str], None]) -> None:
        self._n_bytes = max(n_bytes, 1)
        self._first = self._done = float(n_done)
        self._n_rows = 0
        self._say = say
        self._began = self._reported = time.monotonic()
        self._bar = (
            tqdm(total=self._n_bytes, desc="scoring", bar_format=_BAR, leave=False)
            if sys.stderr.isatty()
            else None
        )

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began

    def add(self, n_rows: int, n_bytes: float) -> None:
        """Report rows, and the bytes that they take in the files."""
        self._n_rows += n_rows
        self._done = min(self._done + n_bytes, self._n_bytes)
        if self._bar is not None:
            self._bar.set_postfix_str(self._text(), refresh=False)
            self._bar.update(self._done - self._bar.n)
        elif time.monotonic() - self._reported >= _SECONDS_BETWEEN_LINES:
            self._reported = time.monotonic()
            self._say(f"{self._done / self._n_bytes:.0%}: {self._text()}")

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()

    def _text(self) -> str:
        passed = max(self.seconds, 1e-9)
        here = (self._done - self._first) / self._n_bytes
        text = f"{self._n_rows:,} rows, {self._n_rows / passed:,.0f} rows/s"
        if here > _FEW:
            text += f", {_duration(passed / here * (1 - self._done / self._n_bytes))} left"
        return text


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
