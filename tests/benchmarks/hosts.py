"""How much faster two hosts train than one: the real ``train``, one CPU for each host.

Both hosts have all rows, and read them; so reading takes as long as on one, and growing half as
long at best. Every host is a process on a loopback address of its own. Runs of one and of two
hosts take turns. Where other work keeps the CPUs busy, the CPU seconds of the busiest host tell
more than the clock.
"""

import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import make_classification
from tests.support import BIN, clean_environ, lay_out

N_ROWS, N_FEATURES, ROUNDS = 200_000, 28, 3
JOBS = {
    "random_forest, intelex": {"algorithm": "random_forest", "n_estimators": "100"},
    "extra_trees": {"algorithm": "extra_trees", "n_estimators": "80", "max_depth": "16"},
    "xgboost": {"algorithm": "xgboost", "n_estimators": "400"},
}
ADDRESSES = ("127.0.0.2", "127.0.0.3")


def main():
    cpus = sorted(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    print(
        f"{platform.machine()}, {len(cpus)} CPUs, {memory} GiB, of which each host has one CPU; "
        f"{N_ROWS} x {N_FEATURES} rows as CSV, median of {ROUNDS} runs, seconds"
    )
    if len(cpus) < len(ADDRESSES):
        raise SystemExit(f"{len(ADDRESSES)} CPUs are needed")
    with tempfile.TemporaryDirectory() as directory:
        rows = Path(directory, "rows.csv")
        write_rows(rows)
        found = measured(Path(directory), rows, cpus)
    print(f"{'':24}{'hosts':>6}{'whole job':>11}{'growing':>9}{'faster':>8}{'CPU':>7}{'less':>6}")
    for name, hosts in found.items():
        _, growing, cpu = middle(hosts[1])
        for n_hosts, runs in hosts.items():
            now, grew, used = middle(runs)
            print(
                f"{name:24}{n_hosts:6}{now:11.1f}{grew:9.1f}{growing / grew:8.2f}"
                f"{used:7.1f}{cpu / used:6.2f}"
            )


def middle(runs):
    return [statistics.median(column) for column in zip(*runs, strict=True)]


def write_rows(path):
    x, y = make_classification(N_ROWS, N_FEATURES, n_informative=12, random_state=1)
    np.savetxt(path, np.column_stack([y, x]), fmt=["%d"] + ["%.5f"] * N_FEATURES, delimiter=",")


def measured(directory, rows, cpus):
    """By job and number of hosts, the seconds of each run."""
    found = {name: {1: [], 2: []} for name in JOBS}
    for number in range(ROUNDS):
        for name, chosen in JOBS.items():
            for n_hosts, runs in found[name].items():
                base = directory / f"{name}-{number}-{n_hosts}"
                runs.append(timed(base, rows, chosen, cpus[:n_hosts]))
    return found


def timed(base, rows, chosen, cpus):
    """Seconds of the whole job, from the rows' being read to the first metric, and of the CPU
    of the busiest host.
    """
    names = list(ADDRESSES[: len(cpus)])
    chosen = {"random_state": "1", "report": "false", "validation_fraction": "0", **chosen}
    began = time.monotonic()
    processes = []
    for name, cpu in zip(names, cpus, strict=True):
        folder = lay_out(
            base / name,
            {"train": {}},
            chosen,
            resourceconfig={"current_host": name, "hosts": names},
        )
        data = folder / "input" / "data" / "train"
        data.mkdir(parents=True)
        (data / "rows.csv").symlink_to(rows)
        processes.append(started(folder, cpu))
    marks = {}
    for line in processes[0].stdout:
        word = "metric" if line.startswith("train:") else line.partition(" ")[0]
        marks.setdefault(word, time.monotonic())
    used = [cpu_of(process) for process in processes]
    return time.monotonic() - began, marks["metric"] - marks["read"], max(used)


def cpu_of(process):
    """Seconds, once it has ended."""
    process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{process.args} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def started(folder, cpu):
    return subprocess.Popen(
        ["taskset", "-c", str(cpu), BIN / "train"],
        env=clean_environ(SAGEMAKER_BASE_DIR=str(folder)),
        stdout=subprocess.PIPE,
        text=True,
    )
