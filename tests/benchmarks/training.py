"""How long training takes: scikit-learn's forest, grown by itself and by intelex, and the boosters.

Every fit is a process of its own, which reads the rows, builds the estimator from
hyperparameters as a training job does, fits it on all CPUs, packs it, and asks the packed model
about rows that it did not see. Rounds are interleaved, so that what else the machine does hits
all of them; the median of each is shown, and the median of how many times faster than
scikit-learn's forest it was in the same round.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import make_classification

from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.training.algorithms.estimators import make_estimator
from mlserver_forest.training.algorithms.forests import intelex
from mlserver_forest.training.algorithms.hyperparameters import parse
from mlserver_forest.training.algorithms.registry import ALGORITHMS

N_FEATURES = 28
N_UNSEEN = 20_000
# Name -> hyperparameters; the number of trees comes on top.
CONTENDERS = {
    "scikit-learn": {"algorithm": "random_forest", "intelex": "false"},
    "intelex": {"algorithm": "random_forest"},
    "xgboost": {"algorithm": "xgboost"},
    "lightgbm": {"algorithm": "lightgbm"},
    "hist_gradient_boosting": {"algorithm": "hist_gradient_boosting", "early_stopping": "false"},
}
LEAST_SPEEDUP, MOST_LOSS = 4.0, 0.003


def main(options):
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks training")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(options)
    print(
        f"{chosen.rows} x {N_FEATURES} generated rows, {chosen.trees} trees, "
        f"{os.cpu_count()} CPUs, {chosen.rounds} rounds"
    )
    found = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as directory:
        _write_rows(Path(directory), chosen.rows)
        for _ in range(chosen.rounds):
            for name, fits in found.items():
                fits.append(_in_a_process(name, directory, chosen.trees))
    _print_table(found)
    _print_targets(found)


def _write_rows(directory, n_rows):
    x, y = make_classification(
        n_rows + N_UNSEEN, N_FEATURES, n_informative=14, flip_y=0.02, random_state=0
    )
    for name, array in (("learn", slice(n_rows)), ("unseen", slice(n_rows, None))):
        np.save(directory / f"{name}_x.npy", x[array])
        np.save(directory / f"{name}_y.npy", y[array])


def _in_a_process(name, directory, n_trees):
    command = [sys.executable, "-m", "tests.benchmarks.training", name, directory, str(n_trees)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _median(fits, key):
    return statistics.median(fit[key] for fit in fits)


def _print_table(found):
    print(
        f"{'':24}{'fit s':>8}{'fastest':>9}{'slowest':>9}{'accuracy':>10}{'peak MB':>9}"
        f"{'fit MB':>8}{'speed':>8}"
    )
    for name, fits in found.items():
        seconds = [fit["seconds"] for fit in fits]
        print(
            f"{name:24}{statistics.median(seconds):8.2f}{min(seconds):9.2f}{max(seconds):9.2f}"
            f"{_median(fits, 'accuracy'):10.4f}{_median(fits, 'peak_mb'):9.0f}"
            f"{_median(fits, 'fit_mb'):8.0f}{_speed(found, name):7.2f}x"
        )


def _speed(found, name):
    """How many times faster than the first one, which is scikit-learn's forest."""
    pairs = zip(next(iter(found.values())), found[name], strict=True)
    return statistics.median(first["seconds"] / own["seconds"] for first, own in pairs)


def _print_targets(found):
    speedup = _speed(found, "intelex")
    loss = _median(found["scikit-learn"], "accuracy") - _median(found["intelex"], "accuracy")
    for what, value, is_met in (
        (f"intelex at least {LEAST_SPEEDUP:g} times faster", speedup, speedup >= LEAST_SPEEDUP),
        (f"accuracy within {MOST_LOSS:g}", loss, abs(loss) <= MOST_LOSS),
    ):
        print(f"target: {what}: {value:.4g}, {'met' if is_met else 'MISSED'}")


def fit_once(name, directory, n_trees):
    """Fit, pack and ask one contender; what came out, as JSON."""
    raw = CONTENDERS[name]
    dtype = ALGORITHMS[raw["algorithm"]].dtype
    x, y = np.load(directory / "learn_x.npy").astype(dtype), np.load(directory / "learn_y.npy")
    fit = _prepared(raw, n_trees, x.shape[1])
    fit(x[:200], y[:200])  # Libraries load, and threads start.
    before = _forget_peak()
    start = time.perf_counter()
    fitted = fit(x, y)
    seconds = time.perf_counter() - start
    peak = _memory_mb("VmHWM")
    unseen = np.load(directory / "unseen_x.npy").astype(dtype)
    positions = import_estimator(fitted).forest.predict(unseen).positions
    found = {
        "seconds": seconds,
        "accuracy": float(np.mean(positions == np.load(directory / "unseen_y.npy"))),
        "peak_mb": peak,
        "fit_mb": peak - before,
    }
    print(json.dumps(found))


def _prepared(raw, n_trees, n_features):
    """Rows and labels -> fitted estimator, as a job with these hyperparameters does it."""
    count = "max_iter" if raw["algorithm"] == "hist_gradient_boosting" else "n_estimators"
    chosen = parse({**raw, count: str(n_trees)})
    names = [f"feature_{i}" for i in range(n_features)]
    by_intelex = raw["algorithm"] == "random_forest" and chosen.job.intelex

    def fit(x, y):
        estimator = make_estimator(chosen, "classification", (0, 1), names, {}, 1)
        if not by_intelex:
            return estimator.fit(x, y)
        assert intelex.why_not_intelex(chosen, "classification", x, None) is None
        return intelex.fit_with_intelex(intelex.make_intelex_estimator(estimator), x, y)

    return fit


def _forget_peak():
    """The memory in use, in MB; VmHWM starts again from there (man 5 proc, clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory_mb("VmRSS")


def _memory_mb(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) / 1024


if __name__ == "__main__":
    fit_once(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
