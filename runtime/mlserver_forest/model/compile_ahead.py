"""Compiles the kernels before anybody waits for an answer, in two processes, and says so.

``python -m mlserver_forest.model.compile_ahead`` compiles all of them, as the container image does
once, because its root file system may be read-only later. A server or a training job compiles what
its model can reach, and only what is not in Numba's cache: a job is the name of a kernel, and the
types that it is compiled for.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import click
from numba.core import event
from numpy.typing import NDArray
from tqdm import tqdm

from mlserver_forest.composition.composition import forests_in
from mlserver_forest.engine.forest_kinds import DERIVATIONS, ForestKind, derive, every_kind
from mlserver_forest.engine.kernels.sum_kernel import add_blocks
from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.formats.csv import csv_kernel
from mlserver_forest.insight import bin_counts
from mlserver_forest.insight.intervals import starts_of_samples
from mlserver_forest.resources import n_cpus

# A name and its arguments.
Job = tuple[str, ...]
Say = Callable[[str], None]

_MODULE = "mlserver_forest.model.compile_ahead"
_N_PROCESSES = 2
_SEPARATOR = ":"
_DTYPES = ("float32", "float64")
_POSTPROCESSORS = ("sigmoid", "softmax", "exponential")

# The function of each job, and about how many seconds it takes on one core of a server.
_JOBS: Mapping[str, tuple[Callable[..., None], float]] = {
    "predict": (lambda *kind: ForestKind(*kind[:4]).predict(*kind[4:]), 5.0),
    "explain": (lambda *kind: ForestKind(*kind).explain(), 6.0),
    "leaves": (lambda *kind: ForestKind(*kind).find_leaves(), 1.0),
    "quantiles": (lambda *kind: ForestKind(*kind[:4]).pool(*kind[4:]), 2.5),
    "derive": (derive, 0.7),
    "csv": (csv_kernel.warm_up, 2.0),
    "drift": (bin_counts.warm_up, 0.3),
}


def jobs_of(predictor: Predictor) -> list[Job]:
    """The jobs for predictions of a forest or a composition."""
    found: list[Job] = []
    for forest, _ in forests_in(predictor):
        kind = _names(ForestKind.of(forest))
        found.append(("predict", *kind, forest.postprocessor.name))
        if forest.derived is not None:
            derivations = forest.derived.derivations
            found += [("derive", type(one).__name__) for one in derivations]
    return list(dict.fromkeys(found))


def jobs_of_model(
    predictor: Predictor,
    insights: Mapping[str, NDArray[Any]],
    *,
    explains: bool = True,
    reads: bool = True,
) -> list[Job]:
    """The jobs for all that a model may be asked; by default those of a server.

    Args:
        predictor: the forest or composition of the model.
        insights: the other arrays of its file.
        explains: whether contributions are among it.
        reads: whether CSV is read, and drift is counted.
    """
    found, dtype = jobs_of(predictor), predictor.feature_dtype.name
    starts = starts_of_samples(insights)
    for forest, _ in forests_in(predictor):
        kind = _names(ForestKind.of(forest))
        if explains and not predictor.unexplained:
            found.append(("explain", *kind))
        if starts is not None:
            found.append(("quantiles", *kind, starts.dtype.name))
    if reads:
        found += [("csv", dtype), ("drift", dtype)]
    return list(dict.fromkeys(found))


def every_job() -> list[Job]:
    """All jobs."""
    found: list[Job] = []
    for kind in map(_names, every_kind()):
        found += [("predict", *kind, name) for name in _POSTPROCESSORS]
        found += [("explain", *kind), ("leaves", *kind)]
        found += [("quantiles", *kind, starts) for starts in ("uint32", "uint64")]
    found += [("derive", name) for name in DERIVATIONS]
    return found + [(name, dtype) for name in ("csv", "drift") for dtype in _DTYPES]


def compile_jobs(jobs: Sequence[Job], say: Say) -> None:
    """Have kernels compiled when this returns: from the cache, or by two processes.

    Args:
        jobs: see above.
        say: is called with a line before and after something is compiled.
    """
    Compilation(jobs, say).wait()


def tell(line: str) -> None:
    """Say a line to a person, beside what a command or a program prints."""
    click.echo(line, err=True)


def preparing(
    say: Say = tell, *, explains: bool = True, reads: bool = True
) -> Callable[[Predictor, Mapping[str, NDArray[Any]]], None]:
    """What ``model_directory.load`` calls before the model is first used, so that it can answer.

    Args:
        say: as in ``compile_jobs``.
        explains: as in ``jobs_of_model``.
        reads: as in ``jobs_of_model``.
    """

    def prepare(predictor: Predictor, insights: Mapping[str, NDArray[Any]]) -> None:
        compile_jobs(jobs_of_model(predictor, insights, explains=explains, reads=reads), say)

    return prepare


class Compilation:
    """Processes that compile what is not in the cache; none if there is nothing to do.

    Args:
        jobs: see above.
        say: as in ``compile_jobs``.
    """

    def __init__(self, jobs: Sequence[Job], say: Say) -> None:
        self._jobs, self._say = jobs, say
        missing = [job for job in jobs if not _is_compiled(job)]
        parts = _parts(missing) if _can_keep() else []
        self._began = time.monotonic()
        self._n_missing = len(missing)
        if missing:
            seconds = max(sum(map(_seconds, part)) for part in parts or [missing])
            say(f"compiling the engine for this machine, once: about {seconds:.0f} s")
        self._children: list[subprocess.Popen[str]] = []
        with suppress(OSError):  # If no process can be started, this one compiles.
            self._children += map(_start, parts)

    def wait(self) -> None:
        """Wait until everything is compiled."""
        if self._n_missing:
            self._wait_for_children()
        for job in self._jobs:
            # With a full or read-only disk Numba keeps what it has compiled for this process.
            with suppress(OSError):
                _run(job)
        if self._n_missing:
            self._say(f"compiled the engine in {time.monotonic() - self._began:.0f} s")

    def stop(self) -> None:
        """End the processes; what they have compiled stays."""
        for child in self._children:
            child.kill()
            child.communicate()

    def _wait_for_children(self) -> None:
        options: Any = {"total": self._n_missing, "leave": False, "unit": "part"}
        with tqdm(disable=not sys.stderr.isatty(), desc="compiling", **options) as bar:
            waiting = [threading.Thread(target=_follow, args=(c, bar)) for c in self._children]
            for thread in waiting:
                thread.start()
            for thread in waiting:
                thread.join()


def _names(kind: ForestKind) -> tuple[str, str, str, str]:
    return kind.features, kind.sums, kind.word, kind.splits


def _run(job: Job) -> None:
    name, *arguments = job
    _JOBS[name][0](*arguments)


def _seconds(job: Job) -> float:
    return _JOBS[job[0]][1]


def _can_keep() -> bool:
    """Whether Numba found a folder for its cache."""
    return add_blocks.stats.cache_path is not None


def _is_compiled(job: Job) -> bool:
    """Whether a job runs with what is compiled or in the cache."""
    try:
        with _nothing_is_compiled():
            _run(job)
    except _NotCompiled:
        return False
    except OSError:
        return True  # The cache cannot be read; there is nothing to gain from other processes.
    return True


class _NotCompiled(Exception):
    """Raised in place of compiling."""


class _Refuse(event.Listener):
    """Refuses that this thread compiles."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def on_start(self, event: event.Event) -> None:
        if threading.get_ident() == self._thread:
            raise _NotCompiled

    def on_end(self, event: event.Event) -> None:
        """Nothing has begun."""


@contextmanager
def _nothing_is_compiled() -> Iterator[None]:
    with event.install_listener("numba:compile", _Refuse()):
        yield


def _parts(jobs: Sequence[Job]) -> list[list[Job]]:
    """The jobs for each process, so that all of them take about as long."""
    parts: list[list[Job]] = [[] for _ in range(min(_N_PROCESSES, n_cpus(), len(jobs)))]
    for job in sorted(jobs, key=_seconds, reverse=True):
        min(parts, key=lambda part: sum(map(_seconds, part))).append(job)
    return parts


def _start(jobs: Sequence[Job]) -> subprocess.Popen[str]:
    words = [_SEPARATOR.join(job) for job in jobs]
    command = [sys.executable, "-m", _MODULE, *words]
    return subprocess.Popen(  # noqa: S603  # this interpreter, and names of this module
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip


def _follow(child: subprocess.Popen[str], bar: Any) -> None:
    """Count the lines of a process, one for each job that is done, until it ends."""
    with child:
        for _ in child.stdout or ():
            bar.update()


def main(words: Sequence[str]) -> None:
    """Compile some jobs in this process, and print a line after each; or all, in several."""
    if not words:
        compile_jobs(every_job(), click.echo)
        return
    for word in words:
        _run(tuple(word.split(_SEPARATOR)))
        sys.stdout.write(f"{word}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
