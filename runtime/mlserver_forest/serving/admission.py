"""How much work a worker takes on, so that what it takes is answered soon.

What is more is refused at once, 503 with Retry-After, while it costs little. Two things
pile up: large requests, whose work is done in threads, and small ones, which the event loop
answers one after the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from mlserver.errors import MLServerError

# One is worked on and the others wait, so that an answer takes at most as many times longer
# than on an idle server.
PLACES = 4
# A request that has waited longer in the event loop is late, and when some request was late
# at every moment of the interval, there is more to do than can be done (as CoDel judges
# queues, RFC 8289). A burst passes.
_LATE_SECONDS = 0.005
_INTERVAL_SECONDS = 0.1
_UNAVAILABLE = 503


class Admission:
    """One worker's.

    Args:
        n_places: the large requests that it takes at a time.
    """

    def __init__(self, n_places: int = PLACES) -> None:
        self._n_places = n_places
        self._n_taken = 0
        self._late_since = 0.0
        self._last_late = -_INTERVAL_SECONDS

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for a large request, held while it is worked on.

        Raises:
            MLServerError: 503 if all are taken.
        """
        if self._n_taken >= self._n_places:
            raise MLServerError(
                f"{self._n_taken} large requests are being answered here already; try again in "
                "a second, or send fewer at a time",
                _UNAVAILABLE,
            )
        self._n_taken += 1
        try:
            yield
        finally:
            self._n_taken -= 1

    def check_wait(self, now: float, waited: float) -> None:
        """Take a small request that has waited in the event loop.

        Args:
            now: a monotonic time.
            waited: seconds.

        Raises:
            MLServerError: 503 if it is late and others have been for a while.
        """
        if waited < _LATE_SECONDS:
            return
        if now - self._last_late > _INTERVAL_SECONDS / 2:
            self._late_since = now
        self._last_late = now
        if now - self._late_since > _INTERVAL_SECONDS:
            raise MLServerError(
                "there are more requests than can be answered soon; try again in a second",
                _UNAVAILABLE,
            )
