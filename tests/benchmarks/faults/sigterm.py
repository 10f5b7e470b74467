"""SIGTERM under load: unready first, then closed to new connections, and nothing lost."""

import signal
import time

import numpy as np

from .load import Outcome
from .scene import pinging
from .table import Row

_REPETITIONS = 3
_SECONDS_BEFORE = 2.0
_SECONDS_AFTER = 5.0
_EXIT_SECONDS = 30.0


def sigterm(scene):
    for number in range(1, _REPETITIONS + 1):
        yield _sigterm(scene, Row(f"sigterm {number}"))


def _sigterm(scene, row):
    with (
        scene.serving() as server,
        pinging(server, ready=True) as probe,
        scene.load(server, ends_when_refused=True) as load,
    ):
        time.sleep(_SECONDS_BEFORE)
        sent = time.monotonic()
        server.signal(signal.SIGTERM)
        code = server.exit_code(_SECONDS_AFTER)
        counts = load.stop()
        if code is None:
            code = server.exit_code(_EXIT_SECONDS - _SECONDS_AFTER)
        seconds = time.monotonic() - sent
        time.sleep(0.1)
        probes = probe.stop()
    unready = _first(probes.of(Outcome.BUSY, Outcome.OTHER).done, sent)
    refusals = np.concatenate([one.of(Outcome.REFUSED).done for one in (counts, probes)])
    refused = _first(refusals, sent)
    accepted = counts.of(Outcome.RIGHT)
    accepted = accepted.between(unready, refused)
    row.add("/ping 503 after", _after(unready, sent), "before refusal", unready < refused)
    row.add("answered after that", len(accepted), "> 0", len(accepted) > 0)
    p99s = [part.milliseconds(99) for part in (counts.between(0, sent), accepted)]
    row.add("p99 before and then", "{:.1f} and {:.1f} ms".format(*p99s))
    row.add("refused after", _after(refused, sent), "in the end", np.isfinite(refused))
    row.add("load", counts.summary())
    row.zero("lost", counts.lost + probes.lost)
    row.zero("wrong", counts.wrong)
    row.notes += counts.examples
    row.zero("timed out", counts.timed_out)
    row.add("exit code", code, "0", code == 0)
    row.at_most("exit after", seconds, _EXIT_SECONDS, " s")
    return row


def _first(times, start):
    later = times[times >= start]
    return float(later.min()) if len(later) else float("inf")


def _after(moment, start):
    return f"{moment - start:.2f} s" if np.isfinite(moment) else "never"
