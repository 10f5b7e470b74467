"""The log's line about bytes that are not HTTP/1.1: one a second at most, however many come.

Port scanners, TLS clients on a port without TLS and slow clients are refused by the thousand; each
of them would be a line.
"""

import logging
from collections.abc import Callable
from time import monotonic

from mlserver_forest.serving.process.worker_table import WorkerTable

logger = logging.getLogger(__name__)

_LONGEST = 200


class RefusedBytes:
    """Counts the connections of one worker whose bytes were refused.

    Args:
        table: says when a worker last wrote such a line; the workers take turns.
        n_workers: the number of workers.
        now: the monotonic clock.
    """

    def __init__(
        self, table: WorkerTable, n_workers: int, now: Callable[[], float] = monotonic
    ) -> None:
        self._table = table
        self._seconds = float(n_workers)
        self._now = now
        self._written = float("-inf")
        self._n_connections = 0
        self._reason = ""

    def count(self, reason: str) -> None:
        """Count a connection.

        Args:
            reason: what its client was told.
        """
        self._n_connections += 1
        self._reason = reason

    def flush(self) -> None:
        """Write the line, if there is anything to say and it is this worker's turn."""
        now = self._now()
        if not self._n_connections or now - self._written < self._seconds:
            return
        if not self._table.may_log(now):
            return
        logger.warning(
            "%d connection%s refused, because no complete HTTP/1.1 request came; the last one: %s",
            self._n_connections,
            "s were" if self._n_connections > 1 else " was",
            self._reason[:_LONGEST],
        )
        self._written, self._n_connections = now, 0
