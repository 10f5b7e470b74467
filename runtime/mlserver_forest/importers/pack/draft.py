"""A draft of a packed model: written by a child process, and proven in this one."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

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


def write_draft(request: PackRequest, timeout_seconds: float | None = None) -> PackReport:
    """Read and import a model in a separate process, which may run foreign code or crash.

    Args:
        request: the model; its ``folder`` gets the draft.
        timeout_seconds: how long this may take; None for as long as it takes.

    Raises:
        UnsupportedEstimator: if the model cannot be packed.
        TimedOut: if it takes too long.
    """
    try:
        done = start_child(json.dumps(asdict(request)), timeout_seconds)
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
    request: str, timeout_seconds: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``child_process.py`` on a request in JSON, to its end."""
    # -P: nothing in the current folder can take the place of a module.
    command = [sys.executable, "-P", "-m", "mlserver_forest.importers.pack.child_process"]
    return subprocess.run(  # noqa: S603  # our own module
        command,
        input=request,
        text=True,
        errors="replace",  # A library may print bytes of a damaged file.
        capture_output=True,
        check=False,
        timeout=timeout_seconds,
    )
