"""A worker limits its work; once that takes too long, it admits little until it recovers."""

from contextlib import ExitStack

import pytest

from mlserver_forest.errors import Overloaded
from mlserver_forest.serving.process import admission
from mlserver_forest.serving.process.admission import PLACES, Admission

LONG, SHORT = 1.0, 0.001


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Iteration:
    def __init__(self, n_reads, seconds):
        self.n_reads = n_reads
        self._seconds = seconds

    def seconds(self):
        return self._seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(admission, "perf_counter", clock)
    return clock


def test_so_many_long_requests_have_a_place_and_no_more(clock):
    admitted = Admission()
    with ExitStack() as stack:
        for _ in range(PLACES):
            stack.enter_context(admitted.place(LONG))
        with pytest.raises(Overloaded, match=f"{PLACES} large requests are being answered"):
            stack.enter_context(admitted.place(LONG))
    clock.now += 2
    assert not admitted.is_full(LONG)


def test_short_ones_may_be_more(clock):
    admitted = Admission()
    with ExitStack() as stack:
        for _ in range(4 * PLACES):
            stack.enter_context(admitted.place(SHORT))
        assert not admitted.is_full(SHORT)
        assert admitted.is_full(LONG)


def test_after_a_refusal_there_are_few_places_for_a_while(clock):
    admitted = Admission()
    with ExitStack() as stack:
        for _ in range(PLACES):
            stack.enter_context(admitted.place(LONG))
        with pytest.raises(Overloaded):
            admitted.check(LONG)
    with admitted.place(LONG):
        assert admitted.is_full(LONG)
        clock.now += 2
        assert not admitted.is_full(LONG)


def test_a_burst_of_small_requests_passes(clock):
    admitted = Admission()
    for _ in range(9):
        admitted.check_delay(Iteration(1000, 0.05))
        clock.now += 0.01


def test_small_requests_that_are_late_all_the_time_are_refused_until_none_is(clock):
    admitted = Admission()
    for _ in range(9):
        clock.now += 0.01
        admitted.check_delay(Iteration(1000, 0.004))
    clock.now += 0.03
    with pytest.raises(Overloaded, match="more requests than can be answered soon"):
        admitted.check_delay(Iteration(1000, 0.004))
    admitted.check_delay(Iteration(1000, 0.0005))
    with pytest.raises(Overloaded):
        admitted.check_delay(Iteration(1000, 0.002))
    clock.now += 1
    admitted.check_delay(Iteration(1000, 0.002))


def test_on_a_slow_machine_few_requests_are_not_refused(clock):
    admitted = Admission()
    for _ in range(100):
        clock.now += 0.05
        admitted.check_delay(Iteration(8, 0.05))
