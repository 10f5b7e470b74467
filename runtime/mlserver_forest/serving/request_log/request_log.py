"""The request log of a worker: chooses requests, and writes their rows to files of Parquet."""

import logging
import os
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from itertools import groupby
from random import random
from time import monotonic
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlserver_forest.errors import InvalidEnvironment, format_error, format_value
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.models.runtime import ForestRuntime
from mlserver_forest.serving.observed_rows import ObservedRows
from mlserver_forest.serving.process.background_queue import BackgroundQueue
from mlserver_forest.serving.request_log.log_target import LogTarget
from mlserver_forest.serving.request_log.logged_rows import LoggedRequest, all_columns, table_of
from mlserver_forest.serving.tracing.request_id import current_request

logger = logging.getLogger(__name__)

# What a worker may hold: requests that wait for the thread, and tables that wait for their files.
_MOST_WAITING_BYTES = 32 << 20
_ENOUGH_BYTES = 2 << 20
_FILE_BYTES = 16 << 20
# Of a row's columns that are not the model's, about.
_ROW_BYTES = 100
_SILENT_SECONDS = 60.0
# Columns that have another value in nearly every request, for which a dictionary is no use.
_DIFFERENT = ("request_id", "inference_id", "time", "seconds", "row")

WRITTEN, DROPPED, FAILED = "written", "dropped", "failed"
_Key = tuple[str, str]


class RequestLog:
    """Logs a share of the requests to forests.

    Requests are handed to a thread, which makes tables of them and writes a file for each model and
    version when there are 16 MiB of rows, or after some time. Rows for which there is no room, or
    whose file cannot be written, are counted.

    Args:
        target: takes the files.
        share: of the requests that are logged, above 0 and at most 1.
        dropped: the columns that are never written.
        seconds: how long rows may wait for their file.
    """

    def __init__(
        self, target: LogTarget, *, share: float, dropped: Collection[str], seconds: float
    ) -> None:
        self._target = target
        self._share = share
        self._dropped = frozenset(dropped)
        self._seconds = seconds
        self._queue = BackgroundQueue(
            "request log",
            self._work,
            most_bytes=_MOST_WAITING_BYTES,
            enough_bytes=_ENOUGH_BYTES,
        )
        self._counts: Counter[tuple[str, str]] = Counter()
        self._counting = threading.Lock()
        # Of the thread alone.
        self._tables: defaultdict[_Key, list[pa.Table]] = defaultdict(list)
        self._n_bytes = 0
        self._write_at = self._silent_until = 0.0

    def check_columns(self, schemas: Iterable[Schema]) -> None:
        """Check that the columns to drop are ones that a model's log would have.

        Args:
            schemas: of the versions of the model.

        Raises:
            InvalidEnvironment: naming those that it has.
        """
        known = frozenset().union(*map(all_columns, schemas))
        unknown = [name for name in sorted(self._dropped) if name not in known]
        if unknown:
            raise InvalidEnvironment(
                f"FOREST_REQUEST_LOG_DROP names {format_value(unknown[0])}, which no column of the "
                f"model's log is called; expected some of {', '.join(sorted(known))}"
            )

    def chooses(self, model: LoadedModel) -> bool:
        """Whether a request is logged, which a model is about to answer."""
        return random() < self._share and isinstance(model.runtime, ForestRuntime)  # noqa: S311

    def put(
        self, model: LoadedModel, request_id: str | None, observed: ObservedRows, seconds: float
    ) -> None:
        """Log the current request.

        Args:
            model: the model that answered.
            request_id: the id that its answer has, or None for the one that the caller gave
                otherwise, or that is made up.
            observed: the rows and their predictions.
            seconds: how long the model took.
        """
        origin = current_request()
        logged = LoggedRequest(model, observed, request_id, origin, time.time(), seconds)
        if not self._queue.put(logged, observed.n_bytes + _ROW_BYTES * observed.n_rows):
            self._count(model.name, DROPPED, observed.n_rows)

    def report(self, metrics: Metrics) -> None:
        """Count the rows since the last report; called in the event loop."""
        with self._counting:
            counts, self._counts = self._counts, Counter()
        for (model, outcome), n_rows in counts.items():
            metrics.logged(model, outcome, n_rows)

    def finish(self, seconds: float) -> None:
        """Write what waits, within this time."""
        if not self._queue.finish(seconds):
            logger.warning("the last rows of the request log could not be written in time")

    def _work(self, requests: list[LoggedRequest], is_last: bool) -> float | None:
        """Make tables of requests, and write those that are large or old enough."""
        if requests and not self._tables:
            self._write_at = monotonic() + self._seconds
        requests.sort(key=lambda request: id(request.model))
        for _, found in groupby(requests, key=lambda request: id(request.model)):
            self._add(list(found))
        left = self._write_at - monotonic()
        if self._tables and (is_last or left <= 0 or self._n_bytes > _FILE_BYTES):
            self._write()
        return max(left, 0.0) if self._tables else None

    def _add(self, requests: list[LoggedRequest]) -> None:
        model = requests[0].model
        table = table_of(requests, self._dropped)
        self._tables[model.name, model.only_version].append(table)
        self._n_bytes += table.nbytes

    def _write(self) -> None:
        tables, self._tables = self._tables, defaultdict(list)
        self._n_bytes = 0
        for (name, version), found in tables.items():
            n_rows = sum(map(len, found))
            try:
                # A model that was loaded again may have other columns.
                for group in _same_columns(found):
                    self._target.write((name, version, *_file_name()), _content(group))
            except Exception as error:  # noqa: BLE001  # S3's client raises errors of many classes
                self._say(error)
                self._count(name, FAILED, n_rows)
            else:
                self._count(name, WRITTEN, n_rows)

    def _say(self, error: Exception) -> None:
        """Log a failure, at most once a minute."""
        if monotonic() > self._silent_until:
            self._silent_until = monotonic() + _SILENT_SECONDS
            logger.warning("the request log cannot be written: %s", format_error(error))

    def _count(self, model: str, outcome: str, n_rows: int) -> None:
        with self._counting:
            self._counts[model, outcome] += n_rows


def _same_columns(tables: list[pa.Table]) -> list[pa.Table]:
    groups: defaultdict[Any, list[pa.Table]] = defaultdict(list)
    for table in tables:
        groups[str(table.schema)].append(table)
    return [pa.concat_tables(group) for group in groups.values()]


def _content(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    few = [name for name in table.column_names if name not in _DIFFERENT]
    pq.write_table(table, sink, compression="zstd", use_dictionary=few)
    return bytes(sink.getvalue().to_pybytes())


def _file_name() -> tuple[str, str]:
    """A folder for the day, and a name that no other worker's file has."""
    now = datetime.now(UTC)
    return f"{now:%Y-%m-%d}", f"{now:%H%M%S}-{os.getpid()}-{uuid.uuid4().hex[:12]}.parquet"
