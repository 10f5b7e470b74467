"""``kill -9`` of one worker after another: what it had in hand is lost, and nothing else."""

import os
import signal
import time

import numpy as np

from .load import Outcome
from .scene import pinging
from .server import is_alive
from .table import Row

_INTERVAL = 2.0
_LIMIT = 2.0
_LONGEST_GAP = 0.5
_GIVE_UP_SECONDS = 10.0
_CALM_SECONDS = 2.0


def kill(scene):
    row = Row("kill")
    with scene.serving() as server:
        before = server.workers(scene.workers)
        if len(before) != scene.workers:
            row.add("workers", len(before), str(scene.workers), met=False)
            yield row
            return
        with scene.load(server, seconds=scene.kill_seconds + 60) as load:
            kills = list(_kill_in_turn(server, scene.kill_seconds))
            calm = time.monotonic()
            time.sleep(_CALM_SECONDS)
            counts = load.stop()
        pings = pinging(server, seconds=0.5).run()
        after = server.children()
    excused = np.zeros(len(counts), bool)
    in_hand, lost = [], []
    for killed, dead, _ in kills:
        # Until the worker is gone, what is sent to it is in its hand.
        held = (counts.sent <= dead) & (counts.done >= killed)
        in_hand.append(int(held.sum()))
        lost.append(int((held & (counts.outcome == Outcome.LOST)).sum()))
        excused |= held
    replaced = [seconds for _, _, seconds in kills]
    row.add("kills", len(kills))
    row.add("lost per kill", f"{np.mean(lost):.1f}, at most {max(lost)}")
    row.add("in flight at a kill", f"{np.mean(in_hand):.1f}, at most {max(in_hand)}")
    row.zero("lost otherwise", counts.where(~excused).lost)
    row.zero("wrong", counts.wrong)
    row.zero("timed out", counts.timed_out)
    row.zero("refused", counts.refused)
    row.zero("503", counts.busy)
    row.at_most("longest gap", counts.longest_gap(), _LONGEST_GAP, " s")
    row.at_most("replaced within", max(replaced), _LIMIT, " s")
    calm_counts = counts.between(calm + 0.5, np.inf)
    row.add(
        "at the end",
        f"{calm_counts.summary()}, {len(after)} workers, ping {pings.summary()}",
        "all right",
        calm_counts.right == len(calm_counts)
        and len(after) == len(before)
        and pings.right == len(pings),
    )
    row.add("load", counts.summary())
    row.notes += counts.examples
    yield row


def _kill_in_turn(server, seconds):
    """For each kill: when, when the worker was gone, and seconds until there was another."""
    start = time.monotonic()
    n_workers, number = len(server.children()), 0
    while time.monotonic() < start + seconds:
        before = sorted(server.children())
        killed = time.monotonic()
        victim = before[number % len(before)]
        os.kill(victim, signal.SIGKILL)
        while is_alive(victim):
            time.sleep(0.002)
        dead = time.monotonic()
        replaced = seconds_until_replaced(server, set(before), n_workers, killed)
        yield killed, dead, replaced
        if replaced == np.inf:
            return
        number += 1
        time.sleep(max(0.0, killed + _INTERVAL - time.monotonic()))


def seconds_until_replaced(server, before, n_workers, since, give_up=_GIVE_UP_SECONDS):
    """Until there is a new worker, and as many as before."""
    while time.monotonic() < since + give_up:
        now = server.children()
        if now - before and len(now) >= n_workers:
            return time.monotonic() - since
        time.sleep(0.02)
    return np.inf
