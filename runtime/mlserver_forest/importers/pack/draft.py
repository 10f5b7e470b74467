"""A draft of a packed model: written by a child process, and proven in this one."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Event, Timer

import numpy as np

from mlserver_forest.errors import TimedOut, UnsupportedEstimator
from mlserver_forest.importers.pack import packing
from mlserver_forest.importers.pack.child_process import (
    ANSWERS_FILE,
    DRAFT,
    REPORT_FILE,
    PackReport,
    PackRequest,
)
from mlserver_forest.importers.pack.failure import describe_exit
from mlserver_forest.importers.pack.proof import Proof, SourceAnswers


def write_draft(
    request: PackRequest, say: Callable[[str], None], timeout_seconds: float | None = None
) -> PackReport:
    """Read and import a model in a separate process, which may run foreign code or crash.

    Args:
        request: the model; its ``folder`` gets the draft.
        say: is called with each line about its progress.
        timeout_seconds: how long this may take; None for as long as it takes.

    Raises:
        UnsupportedEstimator: if the model cannot be packed.
        TimedOut: if it takes too long.
    """
    try:
        done = start_child(json.dumps(asdict(request)), say, timeout_seconds)
    except subprocess.TimeoutExpired as error:
        raise TimedOut(
            f"{request.path} was not packed within {timeout_seconds:g} s; pack it before, with "
            f"forest pack {request.path} --out NEW_FOLDER"
        ) from error
    path = Path(request.folder, REPORT_FILE)
    if done.returncode or not path.exists():
        raise UnsupportedEstimator(describe_exit(str(request.path), done.returncode, done.stderr))
    report = PackReport(**json.loads(path.read_text()))
    if report.error:
        raise UnsupportedEstimator(report.error)
    return report


def prove_draft(folder: Path, tolerance: float) -> Proof:
    """Load the draft in a folder as a server would, and compare it with its library's answers.

    Raises:
        InvalidArtifact: if the draft is damaged.
    """
    with np.load(folder / ANSWERS_FILE, allow_pickle=False) as file:
        answers = SourceAnswers(file["x"], file["values"], file["positions"], tolerance)
    return packing.prove(folder / DRAFT, answers)


def start_child(
    request: str, say: Callable[[str], None], timeout_seconds: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``child_process.py`` on a request in JSON, to its end.

    Raises:
        TimeoutExpired: if it has not ended in time; then it is killed.
    """
    # -P: nothing in the current folder can take the place of a module.
    command = [sys.executable, "-P", "-m", "mlserver_forest.importers.pack.child_process"]
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(  # noqa: S603  # our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        is_late = Event()

        def end() -> None:
            is_late.set()
            child.kill()

        timer = Timer(timeout_seconds or 0.0, end)
        if timeout_seconds is not None:
            timer.start()
        with child, suppress(BrokenPipeError):  # It may have ended at once.
            assert child.stdin is not None  # noqa: S101  # for mypy
            assert child.stdout is not None  # noqa: S101
            child.stdin.write(request.encode())
            child.stdin.close()
            for line in child.stdout:
                say(line.decode(errors="replace").rstrip())
        timer.cancel()
        if is_late.is_set():
            raise subprocess.TimeoutExpired(command, timeout_seconds or 0.0)
        errors.seek(0)
        text = errors.read().decode(errors="replace")  # Of a damaged file, for example.
    return subprocess.CompletedProcess(command, child.returncode, stderr=text)
