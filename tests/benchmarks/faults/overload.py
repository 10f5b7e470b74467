"""Ten times more than the server can do: what it accepts stays quick, the rest is told at once.

With small rows, and with bodies that take milliseconds of pure work.
"""

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .load import Crowd, Drip, Load, Outcome, Plan, post
from .load.questions import head_of
from .scene import pinging
from .server import MemoryWatch
from .table import Row

_TIMES = 10
_CAPACITY_SECONDS = 5.0
_UNLOADED_SECONDS = 5.0
_REQUEST_SECONDS = 30.0
_LATENCY_TIMES = 5.0
_BUSY_MILLISECONDS = 250.0
_PING_SECONDS = 2.0
_GROWTH_PERCENT = 30.0
# Slow clients that send a byte of their body every so often.
_SLOW, _SLOW_SECONDS = 50, 0.1
_HEAVY_ROWS, _HEAVY_FEATURES, _HEAVY_FITTED, _HEAVY_TREES = 2_000, 28, 5_000, 100
_HEAVY_MOST = 400


@dataclass(frozen=True)
class Case:
    """How one overload is made, from the same server without it.

    Attributes:
        questions: what is asked.
        closed: connections that ask without a pause, to measure the capacity.
        unloaded: connections that are kept to measure the latency at a quarter of the
            capacity; with one, it is measured by asking without a pause.
        overload: the plan's options, given the capacity.
    """

    questions: tuple
    closed: int
    unloaded: int
    overload: object


def overload(scene):
    row = Row("overload, small rows")
    closed = 16
    small = Case(
        scene.questions,
        closed=closed,
        unloaded=4,
        overload=lambda capacity: closed_loop(_TIMES * closed),
    )
    with scene.serving() as server:
        head = head_of("/invocations", 1_000_000, "text/csv")
        slow = Crowd(server.port, Drip(_SLOW, head, b"5.1,3.5,1.4,0.2\n", _SLOW_SECONDS))
        _overload(server, small, row, scene.overload_seconds, slow)
    yield row
    row = Row("overload, heavy rows")
    with tempfile.TemporaryDirectory() as folder:
        questions = heavy(scene, Path(folder, "model"))
        case = Case(
            questions,
            closed=2,
            unloaded=1,
            overload=lambda capacity: {
                "rate": _TIMES * capacity,
                "fresh": 0.5,
                "most": _HEAVY_MOST,
            },
        )
        with scene.serving(model_dir=Path(folder, "model")) as server:
            _overload(server, case, row, scene.overload_seconds)
    yield row


def closed_loop(connections):
    """A plan's options: so many connections, each asking without a pause."""
    return {"rate": None, "fresh": 0.0, "pool": connections, "most": connections}


def heavy(scene, model_dir):
    """Save a forest of deep trees; bodies that keep a CPU busy, with its answers."""
    from sklearn.datasets import make_classification
    from sklearn.ensemble import RandomForestClassifier

    x, y = make_classification(
        _HEAVY_FITTED, _HEAVY_FEATURES, n_informative=12, flip_y=0.05, random_state=0
    )
    x = x.round(3)
    forest = RandomForestClassifier(_HEAVY_TREES, random_state=0, n_jobs=-1)
    forest.fit(x.astype(np.float32), np.array(["no", "yes"])[y])
    names = tuple(f"f{column}" for column in range(_HEAVY_FEATURES))
    scene.support.save_model(model_dir, forest, x.astype(np.float32), names=names)
    questions = []
    for part in (x[:_HEAVY_ROWS], x[-_HEAVY_ROWS:]):
        text = "".join(",".join(map(repr, row)) + "\n" for row in part.tolist())
        labels = forest.predict(part.astype(np.float32)).tolist()
        right = "".join(f"{label}\n" for label in labels).encode()
        questions.append(post("/invocations", text.encode(), "text/csv", right=right))
    return tuple(questions)


def _overload(server, case, row, seconds, crowd=None):
    def run(**options):
        return Load(Plan(server.port, case.questions, timeout=_REQUEST_SECONDS, **options)).run()

    # The first answers of a worker are slower: it fills its caches.
    run(seconds=1, **closed_loop(case.closed))
    capacity = run(seconds=_CAPACITY_SECONDS, **closed_loop(case.closed))
    per_second = capacity.per_second()
    alone = {"rate": per_second / 4, "fresh": 0.0, "pool": case.unloaded}
    if case.unloaded == 1:
        alone = closed_loop(1)
    unloaded = run(seconds=_UNLOADED_SECONDS, **alone).milliseconds(99)
    _, before = server.memory()
    with ExitStack() as stack:
        if crowd:
            stack.enter_context(crowd)
        memory = stack.enter_context(MemoryWatch(server))
        pings = stack.enter_context(pinging(server, timeout=_REQUEST_SECONDS))
        counts = run(seconds=seconds, **case.overload(per_second))
        pings = pings.stop()
    _report(row, per_second, unloaded, counts, pings)
    row.at_most("growth of PSS", 100 * (memory.most() / before - 1), _GROWTH_PERCENT, " %")


def _report(row, capacity, unloaded, counts, pings):
    p99, answered = counts.milliseconds(99), counts.right + counts.busy
    row.add("capacity", f"{capacity:.0f}/s")
    row.add("accepted", f"{counts.per_second():.0f}/s")
    row.add("unloaded p99", f"{unloaded:.1f} ms")
    row.add("accepted p50", f"{counts.milliseconds(50):.1f} ms")
    row.add("accepted p99", f"{p99:.1f} ms")
    row.at_most("ratio of p99", p99 / unloaded, _LATENCY_TIMES)
    row.add("share of 503", f"{100 * counts.busy / max(answered, 1):.1f} %")
    row.zero("503 without Retry-After", counts.without_retry_after)
    row.at_most("p99 of 503", counts.milliseconds(99, Outcome.BUSY), _BUSY_MILLISECONDS, " ms")
    row.zero("wrong", counts.wrong)
    row.zero("lost", counts.lost)
    row.zero("timed out", counts.timed_out)
    row.notes += counts.examples
    row.add("load", counts.summary())
    row.at_most("longest ping", pings.longest_wait(), _PING_SECONDS, " s")
    row.add("pings", pings.summary())
    row.add("generator's CPU", f"{100 * counts.busy_share:.0f} %")
