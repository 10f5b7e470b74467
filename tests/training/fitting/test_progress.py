"""The lines of a long fit."""

import time

import pytest

from mlserver_forest.training.fitting.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves: ``clock[0]`` is the time."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_the_time_left_is_estimated_after_a_tenth_of_the_work(clock):
    lines = []
    progress = Progress("trees", 100, lines.append)
    progress.at(0)
    for done in (2, 10, 50):
        clock[0] += 6
        progress.at(done)
    clock[0] += 6
    progress.at(100)
    assert lines == [
        "2 of 100 trees, 6 s",
        "10 of 100 trees, 12 s, about 68 s left",
        "50 of 100 trees, 18 s, about 12 s left",
    ]


def test_work_that_is_no_tree_does_not_count(clock):
    lines = []
    progress = Progress("trees", 20, lines.append)
    progress.at(0)
    clock[0] += 1
    progress.at(2)
    with progress.interrupted():
        clock[0] += 600
    clock[0] += 4
    progress.at(10)
    assert lines == ["10 of 20 trees, 5 s, about 5 s left"]
