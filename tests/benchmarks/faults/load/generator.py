"""The load generator: one thread, plain sockets, one loop over epoll."""

import errno
import select
import time
from array import array
from collections import deque
from itertools import cycle

import numpy as np

from .connection import Broken, Connection
from .counts import Counts, Outcome

_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
# After a refusal, a closed loop tries again so much later.
_REST_SECONDS = 0.01
_LONGEST_SLEEP = 0.1
_EXAMPLES = 5


class Generator:
    """Asks what a plan says, and keeps count."""

    def __init__(self, plan, pipe):
        self._plan = plan
        self._pipe = pipe
        self._poll = select.epoll()
        self._poll.register(pipe.fileno(), _IN)
        self._questions = cycle(plan.questions)
        self._connections = {}
        self._idle = deque()
        self._kept = self._asked = 0
        self._deadlines = deque()
        self._rests = deque([0.0] * (plan.pool if plan.rate is None else 0))
        self._fresh_due = 0.0
        self._is_over = False
        self._times = array("d")
        self._outcomes = array("B")
        self._statuses = array("H")
        self._reopened = self._without_retry_after = 0
        self._latest = 0.0
        self._examples = []

    def run(self):
        start, used = time.monotonic(), time.process_time()
        self._next = start
        while not self._is_over or self._asked:
            now = time.monotonic()
            if now > start + self._plan.seconds:
                self._is_over = True
            if not self._is_over:
                self._ask_what_is_due(now)
            self._expire(now)
            for number, events in self._poll.poll(self._sleep()):
                if number == self._pipe.fileno():
                    self._is_over = True
                    self._poll.unregister(number)
                elif number in self._connections:
                    self._on_event(self._connections[number], events)
        seconds = time.monotonic() - start
        times = np.frombuffer(self._times).reshape(-1, 3)
        return Counts(
            *(np.ascontiguousarray(times[:, column]) for column in range(3)),
            np.frombuffer(self._outcomes, np.uint8),
            np.frombuffer(self._statuses, np.uint16),
            self._reopened,
            self._without_retry_after,
            self._latest,
            (time.process_time() - used) / seconds,
            tuple(self._examples),
        )

    def _sleep(self):
        if self._is_over:
            return _LONGEST_SLEEP
        due = self._next if self._plan.rate else self._rests[0] if self._rests else np.inf
        return min(max(due - time.monotonic(), 0.0), _LONGEST_SLEEP)

    def _ask_what_is_due(self, now):
        if self._plan.rate is None:
            while self._rests and self._rests[0] <= now:
                self._rests.popleft()
                self._ask(next(self._questions), now)
            return
        while self._next <= now and not self._is_over:
            self._latest = max(self._latest, now - self._next)
            self._ask(next(self._questions), self._next)
            self._next += 1 / self._plan.rate

    def _ask(self, question, begun):
        self._fresh_due += self._plan.fresh
        is_fresh = self._fresh_due >= 1
        self._fresh_due -= is_fresh
        if self._asked >= self._plan.most:
            self._record(begun, np.nan, Outcome.DROPPED)
            return
        connection = None if is_fresh else self._take_idle()
        if connection is None:
            self._open(question, begun, is_fresh)
        else:
            self._begin(connection, question, begun)
            self._send(connection)

    def _take_idle(self):
        """A kept connection that is open, or None if one is to be opened."""
        if self._kept < self._plan.pool:
            return None
        while self._idle:
            connection = self._idle.popleft()
            if connection.is_open():
                return connection
            self._drop_idle(connection)
        return None

    def _drop_idle(self, connection):
        if not connection.is_closed:
            self._reopened += 1
            self._close(connection)

    def _open(self, question, begun, is_fresh):
        try:
            connection = Connection(self._plan.port, is_fresh)
        except OSError as error:
            refused = error.errno == errno.ECONNREFUSED
            self._end(begun, np.nan, Outcome.REFUSED if refused else Outcome.DROPPED)
            return
        self._connections[connection.number] = connection
        self._kept += not is_fresh
        self._poll.register(connection.number, _IN | _OUT)
        connection.listens_for = _IN | _OUT
        self._begin(connection, question, begun)

    def _begin(self, connection, question, begun):
        connection.begin(question, begun)
        self._asked += 1
        self._deadlines.append((time.monotonic() + self._plan.timeout, connection, begun))

    def _on_event(self, connection, events):
        if connection.question is None:
            self._drop_idle(connection)
            return
        if events & _OUT and connection.is_sending:
            if not connection.has_sent and connection.is_refused():
                self._finish(connection, Outcome.REFUSED)
                return
            self._send(connection)
        if events & ~_OUT and connection.question is not None:
            self._receive(connection)

    def _send(self, connection):
        try:
            connection.send()
        except Broken:
            if connection.has_sent:
                self._receive(connection)
                if connection.question is not None:
                    self._example(f"no answer to a part of a request, {connection}")
                    self._finish(connection, Outcome.LOST)
            elif connection.answered:
                question, begun = connection.question, connection.begun
                self._asked -= 1
                self._drop_idle(connection)
                self._open(question, begun, is_fresh=False)
            else:
                self._finish(connection, Outcome.REFUSED)
            return
        wanted = _IN | _OUT if connection.is_sending else _IN
        if wanted != connection.listens_for:
            self._poll.modify(connection.number, wanted)
            connection.listens_for = wanted

    def _receive(self, connection):
        try:
            answer = connection.receive()
        except Broken as error:
            if connection.has_sent:
                self._example(f"{error}, {connection}")
            self._finish(connection, Outcome.LOST if connection.has_sent else Outcome.REFUSED)
            return
        if answer is None:
            return
        question = connection.question
        if answer.status == 503:
            outcome = Outcome.BUSY
            self._without_retry_after += not answer.has_retry_after
        elif answer.status != question.status:
            outcome = Outcome.OTHER
        else:
            is_right = question.is_answered_by(answer.body)
            outcome = Outcome.RIGHT if is_right else Outcome.WRONG
        if outcome in {Outcome.OTHER, Outcome.WRONG}:
            self._example(f"{answer.status} {answer.body[:200]!r} to {question.request[:400]!r}")
        is_kept = not (connection.is_fresh or answer.closes or connection.is_sending)
        self._finish(connection, outcome, answer.status, is_kept=is_kept)

    def _example(self, text):
        if len(self._examples) < _EXAMPLES:
            self._examples.append(text)

    def _finish(self, connection, outcome, status=0, *, is_kept=False):
        self._asked -= 1
        self._end(connection.begun, connection.sent, outcome, status)
        if is_kept:
            connection.rest()
            self._idle.append(connection)
        else:
            self._close(connection)

    def _end(self, begun, sent, outcome, status=0):
        self._record(begun, sent, outcome, status)
        if outcome == Outcome.REFUSED and self._plan.ends_when_refused:
            self._is_over = True
        if self._plan.rate is None:
            failed = outcome in {Outcome.REFUSED, Outcome.DROPPED}
            self._rests.append(time.monotonic() + _REST_SECONDS if failed else 0.0)

    def _record(self, begun, sent, outcome, status=0):
        self._times.extend((begun, sent, time.monotonic()))
        self._outcomes.append(outcome)
        self._statuses.append(status)

    def _close(self, connection):
        self._kept -= not connection.is_fresh
        del self._connections[connection.number]
        connection.close()

    def _expire(self, now):
        while self._deadlines and (
            self._deadlines[0][0] <= now or self._deadlines[0][1].begun != self._deadlines[0][2]
        ):
            _, connection, begun = self._deadlines.popleft()
            if connection.begun == begun and connection.question is not None:
                self._finish(connection, Outcome.TIMED_OUT)
