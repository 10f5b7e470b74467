"""A mixed load for a long time: memory stays what it is."""

import time

import numpy as np

from .mix import mixed
from .server import MemoryWatch
from .table import Row

_SAMPLE_SECONDS = 10.0
_SETTLED_MINUTES = 5.0
_GROWTH_PERCENT = 2.0


def soak(scene):
    row = Row("soak")
    seconds = 60 * scene.soak_minutes
    # Of a short run, the parts are shorter too.
    settled = min(60 * _SETTLED_MINUTES, seconds / 4)
    window = min(60.0, seconds / 8)
    with scene.serving() as server:
        start = time.monotonic()
        load = scene.load(server, mixed(scene), seconds=seconds)
        with MemoryWatch(server, min(_SAMPLE_SECONDS, window / 6)) as memory:
            counts = load.run()
    samples = np.array(memory.samples)
    times, rss, pss = samples[:, 0] - start, samples[:, 1], samples[:, 2]
    first = (times >= settled) & (times < settled + window)
    last = (times >= seconds - window) & (times < seconds)
    growth = 100 * (np.median(rss[last]) / np.median(rss[first]) - 1)
    row.add("minutes", f"{scene.soak_minutes:g}")
    row.add("RSS", f"{np.median(rss[first]):.1f} to {np.median(rss[last]):.1f} MB")
    row.add("PSS", f"{np.median(pss[first]):.1f} to {np.median(pss[last]):.1f} MB")
    row.at_most("growth of RSS", growth, _GROWTH_PERCENT, " %")
    row.zero("wrong", counts.wrong)
    row.zero("lost", counts.lost)
    row.zero("timed out", counts.timed_out)
    row.add("load", counts.summary())
    row.add("p99", f"{counts.milliseconds(99):.1f} ms")
    row.notes += counts.examples
    yield row
