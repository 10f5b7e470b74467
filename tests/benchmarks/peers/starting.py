"""How long servers take until /ping says 200, and the memory that each worker process adds."""

import argparse
import math
import statistics
import time
from dataclasses import dataclass

from tests.benchmarks.peers import drivers, models, servers
from tests.benchmarks.peers.loads import csv
from tests.benchmarks.peers.processes import cpu_seconds, pss_megabytes, tree
from tests.benchmarks.peers.verdicts import Verdict

STARTS = {
    "classic": ("classic", "iris"),
    "ours": ("ours", "iris"),
    "ours, deep": ("ours", "deep"),
}
WORKERS = {"ours": (1, 2, 3), "classic": (1, 2)}
STARTS_BESIDE_EARLIER = {
    f"{name}, {model}": (name, model) for model in ("iris", "deep") for name in ("earlier", "ours")
}
WORKERS_BESIDE_EARLIER = {"earlier": (1, 2, 3), "ours": (1, 2, 3)}
# Seconds of work, in the 2 that a server is driven, that show that a process was asked.
BUSY = 0.05


def seconds_to_start(name, model, options, folder):
    begun = time.perf_counter()
    server = servers.start(name, model, folder, options)
    try:
        server.wait_until_ready()
        return time.perf_counter() - begun
    finally:
        server.end()


def start(options, folder):
    """From the command to the first 200 of /ping; the first start of each does not count."""
    ready = {name: models.prepared(name, folder) for name in ("iris", "deep")}
    starts = STARTS_BESIDE_EARLIER if options.earlier else STARTS
    found = {label: [] for label in starts}
    for _ in range(options.rounds + 1):
        for label, (name, model) in starts.items():
            found[label].append(seconds_to_start(name, ready[model], options, folder))
    medians = {label: statistics.median(seconds[1:]) for label, seconds in found.items()}
    for label, seconds in found.items():
        each = ", ".join(f"{second:.2f}" for second in seconds[1:])
        print(f"{'start':11}{label:14}{medians[label]:8.2f} s   ({each})", flush=True)
    if options.earlier:
        for model in ready:
            ratio = medians[f"ours, {model}"] / medians[f"earlier, {model}"]
            yield Verdict("start", f"seconds / earlier, {model}", ratio, "<=", 1.03)
        return
    yield Verdict("start", "seconds / classic", medians["ours"] / medians["classic"], "<=", 1.3)
    ratio = medians["ours, deep"] / medians["ours"]
    yield Verdict("start", "seconds, deep / iris", ratio, "<", 1.5)


@dataclass(frozen=True)
class Memory:
    """Of a server that has answered: megabytes, processes, and how many of them worked."""

    pss: float
    anonymous: float
    n_processes: int
    n_busy: int


def measured(name, model, options, folder):
    server = servers.start(name, model, folder, options)
    n_workers = options.workers
    try:
        server.wait_until_ready()
        pids = tree(server.process.pid)
        before = {pid: cpu_seconds(pid) for pid in pids}
        drivers.wrk(server, csv(model.rows[:2_000]), 3 * n_workers, 2, folder)
        n_busy = sum(cpu_seconds(pid) - before[pid] > BUSY for pid in pids)
        pss, anonymous = (pss_megabytes(pids[0], field) for field in ("Pss", "Pss_Anon"))
        return Memory(pss, anonymous, len(pids), n_busy)
    finally:
        server.end()


def with_workers(options, n_workers):
    return argparse.Namespace(**{**vars(options), "workers": n_workers})


def memory(options, folder):
    """PSS on the deep forest, of ours and of the classic stack with nginx."""
    model = models.prepared("deep", folder)
    for name, counts in (WORKERS_BESIDE_EARLIER if options.earlier else WORKERS).items():
        last = None
        for n_workers in counts:
            found = measured(name, model, with_workers(options, n_workers), folder)
            added = 0 if last is None else found.pss - last
            print(
                f"{'memory':11}{name:14}{n_workers:2} workers   "
                f"PSS{found.pss:7.1f} MB ({added:+.1f}), anonymous{found.anonymous:7.1f} MB, "
                f"{found.n_processes} processes, {found.n_busy} busy",
                flush=True,
            )
            if name == "ours" and last is not None:
                value = added if found.n_busy >= n_workers else math.nan
                yield Verdict("memory", f"PSS MB, worker {n_workers} adds", value, "<", 60)
            last = found.pss
