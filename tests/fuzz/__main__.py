"""``python -m tests.fuzz [TARGET ...]``: inputs with faults for each decoder.

An input is read, or refused with an error of this project; any other error, a crash, a hang and a
large allocation are faults. ``--input N`` shows an input again, and ``--save N`` keeps it in the
corpus, whose inputs every run reads first. ``--engine atheris`` lets libFuzzer choose the inputs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))  # Targets are also scripts, which name their modules from here.

from fuzz import processes, registry  # noqa: E402
from fuzz.target import CORPUS  # noqa: E402

# libFuzzer's own limits: seconds and megabytes for one input.
_LIMITS = ("-timeout=10", "-rss_limit_mb=6000", "-malloc_limit_mb=2000", "-max_len=16384")


def main(arguments):
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(registry.NAMES)}; all if none")
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--engine", choices=("mutations", "atheris"), default="mutations")
    parser.add_argument("--input", type=int, help="show this input of the one target")
    parser.add_argument("--save", type=int, help="keep this input in the corpus")
    options = parser.parse_args(arguments)
    names = options.targets or registry.NAMES
    if strange := set(names) - set(registry.NAMES):
        parser.error(
            f"there are no targets {sorted(strange)}; expected {', '.join(registry.NAMES)}"
        )
    if options.input is not None:
        show(registry.load(names[0]), options.input)
    elif options.save is not None:
        save(registry.load(names[0]), options.save)
    elif options.engine == "atheris":
        run_atheris(names, options.seconds)
    else:
        run(names, options.seconds)


def run(names, seconds):
    """Read mutated inputs, and print a line for each target."""
    print(f"{'target':16}{'inputs':>9}{'accepted':>10}{'refused':>9}{'crashed':>9}{'slowest':>11}")
    faults = []
    for name in names:
        report = processes.watch(name, seconds)
        print(
            f"{name:16}{report.inputs:9}{report.accepted:10}{report.refused:9}{report.crashed:9}"
            f"{1000 * report.slowest:8.0f} ms",
            flush=True,
        )
        faults += report.all_faults
    if faults:
        sys.exit("\n".join(faults))


def run_atheris(names, seconds):
    """Run each target in libFuzzer, from its samples and its saved inputs."""
    faults = [name for name in names if not _fuzz(registry.load(name), seconds)]
    if faults:
        sys.exit(f"faults in {', '.join(faults)}")


def _fuzz(target, seconds):
    with tempfile.TemporaryDirectory(prefix="forest-fuzz-") as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for number in range(len(target.saved) + len(target.samples)):
            (corpus / f"sample-{number}").write_bytes(target.input(number))
        ends = time.monotonic() + seconds
        while (left := round(ends - time.monotonic())) > 0:
            script = TESTS / "fuzz" / "targets" / f"fuzz_{target.name}.py"
            command = [sys.executable, script, f"-max_total_time={left}", *_LIMITS, corpus]
            done = subprocess.run(
                command, cwd=folder, env={**os.environ, "PYTHONPATH": str(TESTS)},
                capture_output=True, text=True, errors="replace", check=False,
            )  # fmt: skip
            if done.returncode == 0:
                break
            if not (target.is_isolated and "deadly signal" in done.stderr):
                print(f"{target.name}: {done.stdout[-4000:]}\n{done.stderr[-4000:]}", flush=True)
                for path in Path(folder).glob("*-*"):
                    print(f"{path.name}: {path.read_bytes()[:4000]!r}")
                return False
            for path in Path(folder).glob("crash-*"):
                path.unlink()
        last = (done.stderr.strip() or "nothing").splitlines()[-1]
        print(f"{target.name}: {last}", flush=True)
        return True


def show(target, number):
    """One input again, with the traceback where it is a fault."""
    data = target.input(number)
    print(f"{len(data)} bytes: {data[:2000]!r}")
    start = time.perf_counter()
    try:
        target.read(data)
        print("accepted")
    except target.refusals as error:
        print(f"refused: {type(error).__name__}: {error}")
    except BaseException:  # noqa: BLE001  # A panic of Rust's is no Exception.
        traceback.print_exc()
    print(f"{time.perf_counter() - start:.3f} s, peak {processes.peak_megabytes():.0f} MB")


def save(target, number):
    path = CORPUS / target.name / f"{number}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(target.input(number))
    print(f"wrote {path.relative_to(TESTS.parent)}; name it after what it shows")


if __name__ == "__main__":
    main(sys.argv[1:])
