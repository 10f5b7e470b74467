"""Inputs of a target, read in a process that another one watches: a crash or a hang is a fault too.

The process writes the number of the input that it is about to read, so a crash or a hang belongs
to that input; another process reads the inputs after it.
"""

import os
import resource
import select
import signal
import subprocess
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fuzz import registry

TESTS = Path(__file__).parents[1]
# The limit of CPU time for one input; the machine may be busy with other work.
LONGEST_SECONDS = 2.0
# The limit for an input that a library reads in a process of its own.
_LONGEST_ISOLATED_SECONDS = 60.0
# A process that writes nothing for this long hangs.
_SILENT_SECONDS = 180.0
# One input of some kilobytes may raise the peak of memory by this much; its decoded
# form may have 128 MB.
GROWTH_MB = 400
# Memory that a process may keep after thousands of inputs.
KEPT_MB = 200
WARM_UP = 500
# This many are read however slow the machine is.
FEWEST = 200
# Each of these has a process of its own.
FEWEST_ISOLATED = 64
# An allocation beyond it fails, and that is a fault.
_MOST_MEMORY = 8 << 30


@dataclass
class Report:
    """The results of one target's inputs."""

    name: str
    accepted: int = 0
    refused: int = 0
    crashed: int = 0  # In the library that reads the file, in a process of its own.
    slowest: float = 0.0
    kept_mb: float = 0.0
    faults: list[str] = field(default_factory=list)
    longest_seconds: float = LONGEST_SECONDS

    @property
    def inputs(self):
        return self.accepted + self.refused + self.crashed + len(self.faults)

    @property
    def all_faults(self):
        kept = [f"keeps {self.kept_mb:.0f} MB"] if self.kept_mb > KEPT_MB else []
        return [f"{self.name}, {fault}" for fault in self.faults + kept]


def watch(name, seconds):
    """Read the inputs of a target for some seconds, the saved ones and the samples first."""
    report = Report(name)
    target = registry.load(name)
    if target.is_isolated:
        report.longest_seconds = _LONGEST_ISOLATED_SECONDS
    ends = time.monotonic() + seconds
    first = 0
    while first < _fewest(target) or time.monotonic() < ends:
        first = _watch(report, first, ends - time.monotonic())
    return report


def _fewest(target):
    """How many inputs are read, however long that takes."""
    return FEWEST_ISOLATED if target.is_isolated else FEWEST


def _watch(report, first, seconds):
    """Returns:
    The number of the next input to be read.
    """
    command = [sys.executable, "-m", "fuzz.processes", report.name, str(first), str(seconds)]
    environ = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}  # It forks.
    process = subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    number = None
    try:
        for line in _lines(process, report):
            what, _, rest = line.partition(" ")
            if what == "input":
                number = int(rest)
            elif what == "kept":
                report.kept_mb = max(report.kept_mb, float(rest))
            elif what in {"accepted", "refused", "crashed", "fault"}:
                _count(report, number, what, rest)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        process.stdout.close()
    if number is None:
        raise RuntimeError(f"the process of {report.name} does not start")
    if code and code != -signal.SIGKILL:
        report.faults.append(f"input {number}: ends the process with code {code}")
    return number + 1


def _lines(process, report):
    """The lines that a process writes; it is killed if it is silent for too long."""
    text, last = b"", "nothing"
    while select.select([process.stdout], [], [], _SILENT_SECONDS)[0]:
        read = os.read(process.stdout.fileno(), 2**16)
        if not read:
            process.wait()
            return
        *lines, text = (text + read).split(b"\n")
        for line in lines:
            last = line.decode()
            yield last
    report.faults.append(f"{last}: no answer within {_SILENT_SECONDS:.0f} s")


def _count(report, number, what, rest):
    seconds, _, text = rest.partition(" ")
    report.slowest = max(report.slowest, float(seconds))
    if float(seconds) > report.longest_seconds:
        what, text = "fault", f"took {float(seconds):.1f} s"
    if what == "fault":
        report.faults.append(f"input {number}: {text}")
    elif what == "accepted":
        report.accepted += 1
    elif what == "crashed":
        report.crashed += 1
    else:
        report.refused += 1


def work(name, first, seconds):
    """Read inputs; what happens is told line by line."""
    target = registry.load(name)
    warnings.simplefilter("error")
    for sample in target.samples:  # The first ones may import what they need, and compile it.
        _outcome(target, sample)
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    kept = megabytes("VmRSS")
    ends = time.monotonic() + seconds
    number = first
    while number < _fewest(target) or time.monotonic() < ends:
        data = target.input(number)
        if number == first + WARM_UP:
            kept = megabytes("VmRSS")
        _say(f"input {number}")
        most = peak_megabytes()
        start = _cpu_seconds()
        outcome = (_outcome_in_child if target.is_isolated else _outcome)(target, data)
        taken = _cpu_seconds() - start
        if peak_megabytes() - most > GROWTH_MB:
            outcome = f"fault took {peak_megabytes() - most:.0f} MB"
        what, _, text = outcome.partition(" ")
        _say(f"{what} {taken} {text}")
        number += 1
    _say(f"kept {megabytes('VmRSS') - kept if number - first > WARM_UP else 0}")


def _outcome(target, data):
    try:
        return "accepted" if target.is_accepted(data) else "refused"
    except BaseException as error:  # noqa: BLE001  # A panic of Rust's is no Exception.
        return f"fault {type(error).__name__}: {error}"[:300].replace("\n", " ")


def _outcome_in_child(target, data):
    """The outcome in a process of its own, which may crash."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writer, _outcome(target, data).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        outcome = file.read().decode()
    _, status = os.waitpid(pid, 0)
    return "crashed" if os.WIFSIGNALED(status) else outcome or f"fault ends with status {status}"


def peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def megabytes(name):
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


def _cpu_seconds():
    """CPU time that this process and its children have used."""
    return sum(os.times()[:4])


def _say(line):
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
