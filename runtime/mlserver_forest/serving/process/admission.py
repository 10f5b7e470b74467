"""How much work a worker takes on, so that what it takes is answered soon.

What is more is refused at once, 503 with Retry-After, while it costs little. Two things
pile up: large requests, whose work is done in threads, and small ones, which the event loop
answers one after the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import NoReturn

from mlserver.errors import MLServerError

from mlserver_forest.serving.process.loop_iteration import LoopIteration

# Large requests at a time: some clients may each wait for an answer before they send the next.
# Of those that take a few milliseconds each there may be more, this many seconds of work.
PLACES = 6
_SECONDS_OF_WORK = 0.05
# When there are more, they come whatever is answered, and few wait, so that an answer takes
# few times longer than on an idle server.
_CROWDED_PLACES = 1
_CROWDED_SECONDS_OF_WORK = 0.01
_CROWDED_SECONDS = 1.0
# A request that waits longer in the event loop is late, and when one was late at every moment
# of the interval, there is more to do than can be done (as CoDel judges queues, RFC 8289): a
# burst passes. From then on none waits long.
_LATE_SECONDS = 0.003
_INTERVAL_SECONDS = 0.1
_HURRIED_SECONDS = 0.001
_HURRY_LASTS_SECONDS = 0.5
# With fewer before it, it is the machine that is slow, and refusing would not help.
_FEW_READS = 16
_UNAVAILABLE = 503


class Admission:
    """One worker's."""

    def __init__(self) -> None:
        self._n_taken = 0
        self._seconds = 0.0
        self._crowded_until = 0.0
        self._hurried_until = 0.0
        self._late_since = 0.0
        self._last_late = 0.0

    @contextmanager
    def place(self, seconds: float) -> Iterator[None]:
        """A place for a large request, held while it is worked on.

        Args:
            seconds: that its work may take.

        Raises:
            MLServerError: 503 if there is none.
        """
        if self.is_full(seconds):
            self.refuse()
        self._n_taken += 1
        self._seconds += seconds
        try:
            yield
        finally:
            self._n_taken -= 1
            self._seconds -= seconds

    def is_full(self, seconds: float) -> bool:
        """Whether a large request that takes so long would find no place."""
        is_crowded = perf_counter() < self._crowded_until
        if self._n_taken < (_CROWDED_PLACES if is_crowded else PLACES):
            return False
        most = _CROWDED_SECONDS_OF_WORK if is_crowded else _SECONDS_OF_WORK
        return self._seconds + seconds > most

    def refuse(self) -> NoReturn:
        """Refuse a large request, and have fewer places for a while.

        Raises:
            MLServerError: 503.
        """
        self._crowded_until = perf_counter() + _CROWDED_SECONDS
        raise MLServerError(
            f"{self._n_taken} large requests are being answered here already; try again in a "
            "second, or send fewer at a time",
            _UNAVAILABLE,
        )

    def check_turn(self, iteration: LoopIteration) -> None:
        """Take a small request whose turn has come.

        Args:
            iteration: in which others were answered before.

        Raises:
            MLServerError: 503 if it is late, and others have been for a while.
        """
        if iteration.n_reads <= _FEW_READS:
            return
        now, waited = perf_counter(), iteration.seconds()
        if now < self._hurried_until:
            if waited < _HURRIED_SECONDS:
                return
        elif waited < _LATE_SECONDS or not self._is_standing(now):
            return
        self._hurried_until = now + _HURRY_LASTS_SECONDS
        raise MLServerError(
            "there are more requests than can be answered soon; try again in a second",
            _UNAVAILABLE,
        )

    def _is_standing(self, now: float) -> bool:
        """A request is late; whether that has gone on for an interval."""
        if now - self._last_late > _INTERVAL_SECONDS / 2:
            self._late_since = now
        self._last_late = now
        return now - self._late_since > _INTERVAL_SECONDS
