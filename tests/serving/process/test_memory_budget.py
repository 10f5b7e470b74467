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
