"""A body is refused before it is read if there is not enough memory for it."""

import os

import pytest

from mlserver_forest.errors import Overloaded, PayloadTooLarge
from mlserver_forest.serving.process.memory_budget import MemoryBudget

MB = 1 << 20


def budget(megabytes, n_slots=2):
    return MemoryBudget(lambda: megabytes * MB, n_slots)


def test_a_body_that_never_fits_is_too_large():
    with pytest.raises(PayloadTooLarge, match=r"takes about 419430400 bytes.*container more"):
        budget(400).reserve(100 * MB)


def test_a_body_that_fits_when_others_are_answered_is_refused_for_now():
    memory = budget(400)
    first = memory.reserve(50 * MB)
    with pytest.raises(Overloaded, match="other large requests"):
        memory.reserve(50 * MB)
    del first
    memory.reserve(50 * MB)


def test_on_a_large_machine_requests_together_have_a_bound():
    memory = MemoryBudget(lambda: 2**40, 2, 400 * MB)
    with pytest.raises(PayloadTooLarge, match="419430400 are left"):
        memory.reserve(101 * MB)
    first = memory.reserve(60 * MB)
    with pytest.raises(Overloaded):
        memory.reserve(60 * MB)
    del first
    memory.reserve(100 * MB)


def test_memory_that_grows_without_a_promise_is_noticed():
    memory = MemoryBudget(lambda: 2**40, 2, 800 * MB)
    before = memory.unpromised()
    taken = bytearray(60 * MB)
    assert memory.has_grown(before, is_certain=True)
    assert not memory.has_grown(before, is_certain=False)
    promised = memory.reserve(10 * MB)
    assert not memory.has_grown(before, is_certain=True)
    del taken, promised


def test_memory_is_scarce_when_little_is_left():
    memory = MemoryBudget(lambda: 99 * MB, 2, 800 * MB)
    assert memory.is_scarce()
    assert not MemoryBudget(lambda: 101 * MB, 2, 800 * MB).is_scarce()


def test_what_another_worker_promised_counts():
    memory = budget(400)
    pid = os.fork()
    if not pid:
        memory.count_as(1)
        kept = memory.reserve(50 * MB)
        os._exit(0 if kept else 1)
    os.waitpid(pid, 0)
    with pytest.raises(Overloaded):
        memory.reserve(50 * MB)
    memory.count_as(1)  # The worker that replaces the one that ended.
    memory.reserve(50 * MB)
