"""How long servers take until /ping says 200, and the memory that each worker process adds."""

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from tests.benchmarks.peers import drivers, models, servers
from tests.benchmarks.peers.loads import csv
from tests.benchmarks.peers.processes import cpu_seconds, pss_megabytes, tree
from tests.benchmarks.peers.verdicts import Verdict
from tests.support import clean_environ, free_port

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
# What ``serve`` does, with the CPU time of each phase.
PHASES = """
import gc, json, time
gc.disable()
clock, phases = time.process_time, {}
def passed(phase):
    phases[phase] = clock() - sum(phases.values())
import mlserver_forest.serving.cli
passed("runtime")
from mlserver_forest.environment import from_environ
from mlserver_forest.formats import registry
from mlserver_forest.serving.server import Server
registry.load_for_serving()
passed("imports")
server = Server(from_environ())
passed("listen")
from mlserver_forest.formats.csv import csv_kernel
csv_kernel.warm_up("float32")
passed("kernel")
server.open()
passed("model")
print(json.dumps(phases))
"""
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
    for name, model in ready.items():
        print_phases(name, model, options.rounds)
    yield Verdict("start", "seconds / classic", medians["ours"] / medians["classic"], "<=", 1.0)
    ratio = medians["ours, deep"] / medians["ours"]
    yield Verdict("start", "seconds, deep / iris", ratio, "<=", 1.05)


def print_phases(name, model, n_rounds):
    """CPU seconds of what the supervisor does before it starts a worker."""
    command = [sys.executable, "-c", PHASES]
    environ = clean_environ(
        SAGEMAKER_BASE_DIR=str(model.artifact.parent),
        SAGEMAKER_BIND_TO_PORT=str(free_port()),
        FOREST_GRPC_PORT="off",
    )
    found = []
    for _ in range(n_rounds):
        done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    phases = {phase: statistics.median(one[phase] for one in found) for phase in found[0]}
    text = ", ".join(f"{phase} {seconds:.2f}" for phase, seconds in phases.items())
    print(f"{'start':11}{'ours, ' + name:14}CPU seconds: {text}", flush=True)


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
    """PSS of ours and of the classic stack with nginx."""
    yield from memory_of("iris", options, folder)
    yield from memory_of("deep", options, folder)


def memory_of(served, options, folder):
    model = models.prepared(served, folder)
    for name, counts in (WORKERS_BESIDE_EARLIER if options.earlier else WORKERS).items():
        last = None
        for n_workers in counts:
            found = measured(name, model, with_workers(options, n_workers), folder)
            added = 0 if last is None else found.pss - last
            print(
                f"{'memory':11}{name + ', ' + served:14}{n_workers:2} workers   "
                f"PSS{found.pss:7.1f} MB ({added:+.1f}), anonymous{found.anonymous:7.1f} MB, "
                f"{found.n_processes} processes, {found.n_busy} busy",
                flush=True,
            )
            if name == "ours" and (served == "iris" or last is not None):
                value = found.pss if last is None else added
                what = "one worker" if last is None else f"worker {n_workers} adds"
                value = value if found.n_busy >= n_workers else math.nan
                target = 120 if last is None else 15 if served == "iris" else 60
                yield Verdict("memory", f"PSS MB, {served}, {what}", value, "<=", target)
            last = found.pss
