"""Mutated bodies for every decoder: read, or refused as an error of their sender.

Each decoder has a process of its own, which tells the number of the input that it is
about to read; so a crash or a hang is that input's. ``--decoder NAME --input N`` shows
one again. The suite does the same with fewer.
"""

import argparse
import os
import random
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.formats.decoding import RequestDecoder
from mlserver_forest.formats.registry import find

from .decoder_samples import SAMPLES, SCHEMAS, mutated

ROOT = Path(__file__).parents[2]
INPUTS = 500_000
LONGEST_SECONDS = 2.0
START_SECONDS = 120.0
# What one input, of some kilobytes, may add to the most memory used so far; what it
# decodes to may have 128 MB.
GROWTH_MB = 400
# What a process may keep of thousands of inputs.
KEPT_MB = 200
WARM_UP = 500


@dataclass
class Report:
    """What became of the inputs of one decoder."""

    name: str
    accepted: int = 0
    refused: int = 0
    slowest: float = 0.0
    kept_mb: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def inputs(self):
        return self.accepted + self.refused + len(self.faults)


def decode(name, body, schema, parameters):
    return RequestDecoder(schema).decode(find(name), body, parameters)


def make(name, number, samples):
    """The input of a number: always the same."""
    rng = random.Random(f"{name} {number}")  # noqa: S311  # It has to be seeded.
    body, parameters = mutated(name, samples, rng)
    return body, rng.choice(SCHEMAS), parameters


def check(x, schema):
    """What the model relies on."""
    assert isinstance(x, np.ndarray)
    assert x.ndim == 2
    assert len(x) > 0
    assert x.dtype == schema.dtype
    assert x.flags.c_contiguous
    assert not schema.feature_names or x.shape[1] == schema.n_features
    assert not np.isinf(x).any()
    assert schema.takes_missing or not np.isnan(x).any()


def work(name, first, last):
    """Read inputs, in a process of its own; what happens is told line by line."""
    samples = SAMPLES[name]()
    warnings.simplefilter("error")
    # Beyond it an allocation fails, and that is a fault too.
    resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
    kept = megabytes("VmRSS")
    say("ready")
    for number in range(first, last):
        body, schema, parameters = make(name, number, samples)
        if number == first + WARM_UP:
            kept = megabytes("VmRSS")
        say(f"input {number}")
        most = peak_megabytes()
        start = time.perf_counter()
        try:
            check(decode(name, body, schema, parameters), schema)
            outcome = "accepted"
        except (InvalidInput, PayloadTooLarge) as error:
            outcome = "refused" if len(str(error)) < 2000 else "fault has a long message"
        except BaseException as error:  # noqa: BLE001  # A panic of Rust's is no Exception.
            outcome = f"fault {type(error).__name__}: {error}"[:300].replace("\n", " ")
        seconds = time.perf_counter() - start
        if peak_megabytes() - most > GROWTH_MB:
            outcome = f"fault took {peak_megabytes() - most:.0f} MB"
        say(f"{outcome.partition(' ')[0]} {seconds} {outcome.partition(' ')[2]}")
    say(f"kept {megabytes('VmRSS') - kept if last - first > WARM_UP else 0}")


def say(line):
    os.write(1, f"{line}\n".encode())


def peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def megabytes(name):
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


def watch(name, count):
    """Let a process read inputs, and another one the rest where it ends before its time."""
    report = Report(name)
    first = 0
    while first < count:
        first = _watch(report, first, count)
    return report


def _watch(report, first, last):
    """Returns:
    The number of the next input to be read.
    """
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.decoders",
        report.name,
        str(first),
        str(last),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True)
    number = None
    try:
        for line in _lines(process, report):
            what, _, rest = line.partition(" ")
            if what == "input":
                number = int(rest)
            elif what == "kept":
                report.kept_mb = max(report.kept_mb, float(rest))
            elif what in {"accepted", "refused", "fault"}:
                _count(report, number, what, rest)
    finally:
        process.kill()
        code = process.wait()
        process.stdout.close()
    if number is None:
        raise RuntimeError(f"the process of {report.name} does not start")
    if code == 0:
        return last
    if code != -signal.SIGKILL:
        report.faults.append(f"input {number}: ends the process with code {code}")
    return number + 1


def _lines(process, report):
    """What a process says; it is ended where it is silent for too long."""
    text = b""
    seconds = START_SECONDS
    while select.select([process.stdout], [], [], seconds)[0]:
        read = os.read(process.stdout.fileno(), 2**16)
        if not read:
            process.wait()
            return
        seconds = LONGEST_SECONDS + 1
        *lines, text = (text + read).split(b"\n")
        for line in lines:
            last = line.decode()
            yield last
    report.faults.append(f"{last}: no answer within {seconds:.0f} s")


def _count(report, number, what, rest):
    seconds, _, text = rest.partition(" ")
    report.slowest = max(report.slowest, float(seconds))
    if float(seconds) > LONGEST_SECONDS:
        what, text = "fault", f"took {float(seconds):.1f} s"
    if what == "fault":
        report.faults.append(f"input {number}: {text}")
    elif what == "accepted":
        report.accepted += 1
    else:
        report.refused += 1


def show(name, number):
    """One input again, with the traceback where it is a fault."""
    body, schema, parameters = make(name, number, SAMPLES[name]())
    print(f"{len(body)} bytes: {bytes(body[:2000])!r}\n{schema}\n{parameters}")
    start = time.perf_counter()
    try:
        x = decode(name, body, schema, parameters)
        print(f"accepted: {x.shape} {x.dtype}")
        check(x, schema)
    except (InvalidInput, PayloadTooLarge) as error:
        print(f"refused: {type(error).__name__}: {error}")
    except BaseException:  # noqa: BLE001  # As above.
        traceback.print_exc()
    print(f"{time.perf_counter() - start:.3f} s, peak {peak_megabytes():.0f} MB")


def main(arguments):
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks decoders")
    parser.add_argument("--count", type=int, default=INPUTS, help="of inputs, for all decoders")
    parser.add_argument("--decoder", choices=SAMPLES, help="this one alone")
    parser.add_argument("--input", type=int, help="show one input of the decoder again")
    options = parser.parse_args(arguments)
    names = [options.decoder] if options.decoder else [*SAMPLES]
    if options.input is not None:
        show(names[0], options.input)
        return
    print(f"{'decoder':37}{'inputs':>9}{'accepted':>10}{'refused':>9}{'slowest':>10}{'kept':>8}")
    faults = []
    for name in names:
        report = watch(name, -(-options.count // len(names)))
        print(
            f"{name:37}{report.inputs:9}{report.accepted:10}{report.refused:9}"
            f"{1000 * report.slowest:7.0f} ms{report.kept_mb:5.0f} MB",
            flush=True,
        )
        faults += [f"{name}, {fault}" for fault in report.faults]
        if report.kept_mb > KEPT_MB:
            faults.append(f"{name} keeps {report.kept_mb:.0f} MB")
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
