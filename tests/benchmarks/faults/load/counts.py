"""What became of the requests of a load."""

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np


class Outcome(IntEnum):
    """What became of one request.

    ``REFUSED``: nothing of it was sent. ``LOST``: something of it was, and the connection
    ended without a complete answer. ``DROPPED``: the generator had no connection for it.
    """

    RIGHT = 0
    WRONG = 1
    BUSY = 2  # 503
    OTHER = 3  # any other status than the right one
    REFUSED = 4
    LOST = 5
    TIMED_OUT = 6
    DROPPED = 7


@dataclass(frozen=True)
class Counts:
    """One entry per request in each array; times are ``time.monotonic``'s.

    Attributes:
        begun: when its turn came.
        sent: when its first bytes were handed to the kernel; NaN if they were not.
        done: when the outcome was known.
        outcome: a number of ``Outcome``.
        status: of the answer; 0 without one.
        reopened: kept connections that the server had closed before they were used again.
        without_retry_after: answers 503 that lack the header.
        latest: seconds that the generator itself was late at worst.
        busy_share: of the time that the generator used its CPU.
        examples: the first answers that were not right, as text.
    """

    begun: np.ndarray
    sent: np.ndarray
    done: np.ndarray
    outcome: np.ndarray
    status: np.ndarray
    reopened: int = 0
    without_retry_after: int = 0
    latest: float = 0.0
    busy_share: float = 0.0
    examples: tuple[str, ...] = ()

    def __len__(self):
        return len(self.outcome)

    def number(self, *outcomes):
        return int(np.isin(self.outcome, outcomes).sum())

    @property
    def right(self):
        return self.number(Outcome.RIGHT)

    @property
    def wrong(self):
        """Answers with a wrong body, or with a status that nothing explains."""
        return self.number(Outcome.WRONG, Outcome.OTHER)

    @property
    def busy(self):
        return self.number(Outcome.BUSY)

    @property
    def lost(self):
        return self.number(Outcome.LOST)

    @property
    def timed_out(self):
        return self.number(Outcome.TIMED_OUT)

    @property
    def refused(self):
        return self.number(Outcome.REFUSED)

    def where(self, mask):
        """The requests of a mask; what counts the whole load stays."""
        names = ("begun", "sent", "done", "outcome", "status")
        return replace(self, **{name: getattr(self, name)[mask] for name in names})

    def between(self, start, end):
        """The requests that began then."""
        return self.where((self.begun >= start) & (self.begun < end))

    def of(self, *outcomes):
        return self.where(np.isin(self.outcome, outcomes))

    def milliseconds(self, percent, *outcomes):
        """A percentile of the time from the first byte sent to the end of the answer."""
        chosen = self.of(*(outcomes or (Outcome.RIGHT,)))
        return float(np.percentile(chosen.done - chosen.sent, percent) * 1000) if chosen else 0.0

    def longest_wait(self):
        """The most seconds from a request's turn to its outcome."""
        return float((self.done - self.begun).max()) if self else 0.0

    def longest_gap(self):
        """The most seconds without a right answer, between the first request and the last."""
        if not self.right:
            return float("inf")
        ends = [self.begun.min(), *np.sort(self.of(Outcome.RIGHT).done), self.begun.max()]
        return float(np.diff(ends).max())

    def per_second(self, *outcomes):
        """Answers of the given outcomes, by default right ones, per second of the load."""
        seconds = self.begun.max() - self.begun.min() if len(self) > 1 else 0.0
        return self.number(*(outcomes or (Outcome.RIGHT,))) / max(seconds, 1e-3)

    def summary(self):
        """Every outcome that occurred, as text."""
        numbers = {outcome: self.number(outcome) for outcome in Outcome}
        told = [f"{number} {outcome.name.lower()}" for outcome, number in numbers.items() if number]
        return ", ".join(told) or "nothing"
