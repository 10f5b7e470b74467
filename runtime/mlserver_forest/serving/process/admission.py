"""Admission control: how much work a worker accepts, so that all of it is answered soon.

Requests beyond that are refused at once, while a refusal costs little. Two kinds of requests pile
up: large ones, which are worked on in threads, and small ones, which the event loop answers
one after the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from mlserver_forest.errors import Overloaded
from mlserver_forest.serving.process.loop_iteration import LoopIteration

# The number of large requests at a time; clients often send one only after the last is answered.
# If each takes a few milliseconds there may be more of them, up to this many seconds of work.
PLACES = 6
_SECONDS_OF_WORK = 0.05
# After a refusal, requests evidently arrive faster than they are answered. Fewer places then
# keep the time that an answer takes within a few times that of an idle server.
_CROWDED_PLACES = 1
_CROWDED_SECONDS_OF_WORK = 0.01
_CROWDED_SECONDS = 1.0
# A request that waits longer than this in the event loop is late. If requests were late
# throughout an interval, there is more work than can be done; a burst is shorter (CoDel judges
# queues this way, RFC 8289). From then on no request waits long.
_LATE_SECONDS = 0.003
_INTERVAL_SECONDS = 0.1
_HURRIED_SECONDS = 0.001
_HURRY_LASTS_SECONDS = 0.5
# If fewer requests than this were read before it, the machine is slow, and refusing does not help.
_FEW_READS = 16
# Requests that wait for another runtime in one worker.
_MOST_WAITING = 512


class Admission:
    """Admits or refuses the requests of one worker."""

    def __init__(self) -> None:
        self._n_taken = 0
        self._n_waiting = 0
        self._seconds = 0.0
        self._crowded_until = 0.0
        self._hurried_until = 0.0
        self._late_since = 0.0
        self._last_late = 0.0

    @contextmanager
    def place(self, seconds: float) -> Iterator[None]:
        """Hold a place for a large request while it is worked on.

        Args:
            seconds: how long the work may take, to the order of magnitude.

        Raises:
            Overloaded: if no place is free.
        """
        self.check(seconds)
        self._n_taken += 1
        self._seconds += seconds
        try:
            yield
        finally:
            self._n_taken -= 1
            self._seconds -= seconds

    @contextmanager
    def waiting_place(self) -> Iterator[None]:
        """Hold a place for a request that waits for a runtime outside of the event loop.

        Such a request costs this loop next to nothing, and its runtime may wait for others too.

        Raises:
            Overloaded: if too many requests are waiting.
        """
        if self._n_waiting >= _MOST_WAITING:
            raise Overloaded(
                f"{self._n_waiting} requests are waiting for the model here already; try again in "
                "a second"
            )
        self._n_waiting += 1
        try:
            yield
        finally:
            self._n_waiting -= 1

    def check(self, seconds: float) -> None:
        """Refuse a large request if no place is free, and offer fewer places for a while.

        Args:
            seconds: how long the work may take, to the order of magnitude.

        Raises:
            Overloaded: if no place is free.
        """
        if self.is_full(seconds):
            self._crowded_until = perf_counter() + _CROWDED_SECONDS
            raise Overloaded(
                f"{self._n_taken} large requests are being answered here already; try again in "
                "a second, or send fewer at a time"
            )

    def is_full(self, seconds: float) -> bool:
        """Whether a large request that takes this long would find no place."""
        is_crowded = perf_counter() < self._crowded_until
        if self._n_taken < (_CROWDED_PLACES if is_crowded else PLACES):
            return False
        most = _CROWDED_SECONDS_OF_WORK if is_crowded else _SECONDS_OF_WORK
        return self._seconds + seconds > most

    def check_delay(self, iteration: LoopIteration) -> None:
        """Refuse a small request that has waited too long in the event loop.

        Args:
            iteration: the event loop's iteration, in which other requests were answered before.

        Raises:
            Overloaded: if the request is late, and requests have been late for a while.
        """
        if iteration.n_reads <= _FEW_READS:
            return
        now, waited = perf_counter(), iteration.seconds()
        if now < self._hurried_until:
            if waited < _HURRIED_SECONDS:
                return
        elif waited < _LATE_SECONDS or not self._has_been_late(now):
            return
        self._hurried_until = now + _HURRY_LASTS_SECONDS
        raise Overloaded("there are more requests than can be answered soon; try again in a second")

    def _has_been_late(self, now: float) -> bool:
        """Note that a request is late; return whether requests have been late for an interval."""
        if now - self._last_late > _INTERVAL_SECONDS / 2:
            self._late_since = now
        self._last_late = now
        return now - self._late_since > _INTERVAL_SECONDS
