"""Serving beside its peers: the same machine, worker processes and requests, rounds interleaved.

``classic`` is the stack of AWS's sample container (nginx, gunicorn, Flask, pandas,
scikit-learn); ``mlserver`` is stock MLServer with its own scikit-learn runtime, and
``mlserver-noop`` with one that does nothing; ``bare`` is uvicorn with a constant answer.
Answers are compared with scikit-learn's before anything is timed. All servers of a load are
up at the same time, and one is driven at a time. The first run installs the classic stack
and fits the forests, and keeps both under ~/.cache.

With ``--earlier .../bin/serve`` the peer is an earlier version of this package, in an environment
of its own, and nothing else.
"""

import argparse
import contextlib
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.peers import models, servers
from tests.benchmarks.peers.loads import LOADS
from tests.benchmarks.peers.starting import memory, start
from tests.benchmarks.peers.verdicts import Verdict, table

HEADER = f"{'load':11}{'server':14}{'rate':>11}{'':8}{'lowest':>11}{'highest':>11}{'p50 ms':>9}"
HEADER += f"{'p99 ms':>9}{'CPU s/1000':>12}{'PSS MB':>8}{'client':>8}"
# Of a core, while another server is driven.
IDLE = 0.03


@dataclass(frozen=True)
class Round:
    """One server driven once; ``idle`` holds what each other one took of a core meanwhile."""

    rate: float
    p50: float
    p99: float
    cpu_seconds: float
    client: float
    idle: dict[str, float]


def drive(load, request, server, others, seconds, folder):
    before = {each.name: each.cpu_seconds() for each in (server, *others)}
    begun = time.monotonic()
    driven = load.drive(server, request, load.connections, seconds, folder, **load.options)
    passed = time.monotonic() - begun
    used = {each.name: each.cpu_seconds() - before[each.name] for each in (server, *others)}
    settle(server)
    return Round(
        rate=driven.requests * load.n_rows / driven.seconds,
        p50=1000 * driven.p50,
        p99=1000 * driven.p99,
        cpu_seconds=1000 * used.pop(server.name) / driven.requests,
        client=driven.cpu_seconds / driven.seconds,
        idle={name: cpu_seconds / passed for name, cpu_seconds in used.items()},
    )


def settle(server, seconds=5):
    """Let a server end what wrk left in flight, so that the next one has the cores alone."""
    last, deadline = None, time.monotonic() + seconds
    while time.monotonic() < deadline:
        now = server.cpu_seconds()
        if now == last:
            return
        last = now
        time.sleep(0.05)


def run(load, options, folder):
    """Start, check and drive the servers of a load; print a row for each, and the verdicts."""
    model = models.prepared(load.model, folder)
    rows = model.rows[: load.n_rows]
    request = load.request_of(rows)
    expected = model.labels_of(rows)
    with contextlib.ExitStack() as stack:
        up = []
        for name in load.servers(options.earlier):
            server = servers.start(name, model, folder, options)
            stack.callback(server.end)
            up.append(server)
        for server in up:
            server.wait_until_ready()
            load.check(server, request, expected)
        scratch = Path(tempfile.mkdtemp(dir=folder))
        for server in up:  # Each worker has then loaded the model, and its caches are warm.
            drive(load, request, server, [], 1, scratch)
        rounds = {server.name: [] for server in up}
        for _ in range(options.rounds):
            for server in up:
                others = [other for other in up if other is not server]
                driven = drive(load, request, server, others, options.seconds, scratch)
                rounds[server.name].append(driven)
        for server in up:
            row(load, server, rounds[server.name])
    report_idle(rounds)
    rates = {name: statistics.median(each.rate for each in rounds[name]) for name in rounds}
    for peer, target in load.targets_beside(options.earlier).items():
        yield Verdict(load.name, f"rate / {peer}", rates["ours"] / rates[peer], ">=", target)
    options.rates[load.name] = rates["ours"]
    for other, target in load.beside.items():
        if other in options.rates:
            ratio = rates["ours"] / options.rates[other]
            yield Verdict(load.name, f"rate / ours, {other}", ratio, ">=", target)


def row(load, server, rounds):
    def median(field):
        return statistics.median(getattr(each, field) for each in rounds)

    rates = [each.rate for each in rounds]
    unit = " rows/s" if load.n_rows > 1 else " req/s"
    print(
        f"{load.name:11}{server.name:14}{median('rate'):11,.0f}{unit:8}{min(rates):11,.0f}"
        f"{max(rates):11,.0f}{median('p50'):9.2f}{median('p99'):9.2f}"
        f"{median('cpu_seconds'):12.3f}{server.pss_megabytes():8.0f}{median('client'):8.0%}",
        flush=True,
    )


def report_idle(rounds):
    """Name the servers that took CPU time from the others."""
    for name in rounds:
        shares = [
            each.idle[name] for found in rounds.values() for each in found if name in each.idle
        ]
        if shares and max(shares) > IDLE:
            print(f"{name} took up to {max(shares):.0%} of a core while others were driven")


def main(arguments):
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks serving")
    parts = {load.name: (run, load) for load in LOADS}
    parts |= {"start": (start,), "memory": (memory,)}
    parser.add_argument("--only", choices=parts)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="for each server and round")
    parser.add_argument("--workers", type=int, default=2, help="processes of each server")
    parser.add_argument("--earlier", type=Path, help="serve of an earlier version; the only peer")
    options = parser.parse_args(arguments)
    options.rates = {}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # So that the servers end too.
    verdicts = []
    if options.only not in {"start", "memory"}:
        print(HEADER, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, (part, *load) in parts.items():
            if options.only in (None, name):
                for verdict in part(*load, options, folder):
                    verdicts.append(verdict)
                    print(verdict, flush=True)
    print(f"\n{table(verdicts)}")
