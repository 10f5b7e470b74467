"""Reading a CSV file beside pyarrow and pandas: a process for each reading, in turns.

The table has 28 columns and first a class label, or a number where all have 17 digits. Time is
that of the call alone, in a process that has read a small file before; memory is what the call
adds to the process's peak (VmHWM), as a multiple of the table in float32. What ours holds is
compared with pyarrow's.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]

ROWS = 1_000_000
COLUMNS = 28
ROUNDS = 5
_CHUNK = 20_000
# Against pyarrow's time, and the table's size.
TARGETS = {"numbers": (1.5, 3.0)}
WORDS = np.array(["red", "blue", "dark green", "white"])


def write(path, n_rows, kind):
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        for start in range(0, n_rows, _CHUNK):
            n = min(_CHUNK, n_rows - start)
            file.write("".join(lines(rng.normal(size=(n, COLUMNS)), rng.integers(0, 3, n), kind)))


def lines(x, labels, kind):
    if kind == "17 digits":
        sums = x.sum(axis=1).tolist()
        return [f"{y!r},{','.join(map(repr, r))}\n" for y, r in zip(sums, x.tolist(), strict=True)]
    texts = np.char.mod("%.6f", x).astype("U24")
    if kind == "words":
        words = WORDS[labels]
        texts[:, 5], texts[:, 9] = words, np.where(x[:, 9] > 1, "", texts[:, 9])
    if kind == "quoted words":
        texts[:, 5] = np.char.add(np.char.add('"', WORDS[labels]), ', or not"')
    return [f"{y},{','.join(row)}\n" for y, row in zip(labels, texts.tolist(), strict=True)]


def ours(folder):
    from mlserver_forest.training.config import Channel
    from mlserver_forest.training.data.channels import Columns, read_channel

    return read_channel(Channel("train", folder), Columns(), np.dtype(np.float32)).x


def with_pyarrow(folder):
    import pyarrow.csv

    (path,) = folder.iterdir()
    return pyarrow.csv.read_csv(path, pyarrow.csv.ReadOptions(autogenerate_column_names=True))


def with_pandas(folder):
    import pandas as pd

    (path,) = folder.iterdir()
    return pd.read_csv(path, header=None)


READERS = {"ours": ours, "pyarrow": with_pyarrow, "pandas": with_pandas}


def measure(reader, folder, small):
    """In a process of its own: seconds, and bytes added to the peak."""
    READERS[reader](small)
    before = peak_bytes()
    start = time.perf_counter()
    table = READERS[reader](folder)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "bytes": peak_bytes() - before, "rows": len(table)}))


def peak_bytes():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def check(folder):
    """Ours has the numbers that pyarrow has."""
    found, expected = ours(folder), with_pyarrow(folder)
    for place in range(COLUMNS):
        column = expected.column(place + 1)
        if str(column.type) == "double":
            assert np.array_equal(
                found[:, place], column.to_numpy().astype(np.float32), equal_nan=True
            )


def in_process(*arguments):
    command = [sys.executable, "-m", "tests.benchmarks.reading", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def compare(kind, n_rows, rounds, base):
    folder, small = base / "large", base / "small"
    for place, rows in ((folder, n_rows), (small, min(n_rows, 10_000))):
        place.mkdir(parents=True)
        write(place / "a.csv", rows, kind)
    check(small)
    size = (folder / "a.csv").stat().st_size
    print(f"\n{kind}: {n_rows} rows, {size / 1e6:.0f} MB")
    runs = {name: [] for name in READERS}
    for _ in range(rounds):
        for name in READERS:
            runs[name].append(in_process(name, folder, small))
    return show(kind, n_rows, runs)


def show(kind, n_rows, runs):
    """Print a line for each reader; the faults that targets find."""
    middle = {name: statistics.median(r["seconds"] for r in found) for name, found in runs.items()}
    memory = {
        name: max(r["bytes"] for r in found) / (4 * n_rows * COLUMNS)
        for name, found in runs.items()
    }
    print(f"{'':10}{'median':>10}{'fastest':>10}{'of pyarrow':>12}{'memory':>9}")
    for name, found in runs.items():
        fastest = min(r["seconds"] for r in found)
        ratio = middle[name] / middle["pyarrow"]
        times = f"{middle[name]:8.2f} s{fastest:8.2f} s{ratio:12.2f}"
        print(f"{name:10}{times}{memory[name]:8.2f}x")
    most_time, most_memory = TARGETS.get(kind, (np.inf, np.inf))
    faults = []
    if middle["ours"] > most_time * middle["pyarrow"]:
        faults.append(f"{kind}: more than {most_time} times pyarrow's time")
    if memory["ours"] > most_memory:
        faults.append(f"{kind}: more than {most_memory} times the table's memory")
    return faults


def main(arguments):
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks reading")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    kinds = ["numbers", "17 digits", "words", "quoted words"]
    parser.add_argument("--kind", choices=kinds, action="append")
    options = parser.parse_args(arguments)
    faults = []
    for kind in options.kind or kinds:
        with tempfile.TemporaryDirectory() as base:
            faults += compare(kind, options.rows, options.rounds, Path(base))
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    measure(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
