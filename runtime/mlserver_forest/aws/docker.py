"""The docker command line, whose output the user sees."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from mlserver_forest.aws.interruption import SIGNALS
from mlserver_forest.errors import DeploymentError


def run(command: Sequence[str], password: str | None = None) -> None:
    """Run a command to its end; its output goes to standard error.

    Args:
        command: the command line, which must not contain a secret.
        password: what is written to its standard input, or None.

    Raises:
        DeploymentError: if docker is missing, or fails.
    """
    done = _run(command, input=password, stdout=sys.stderr)
    if done.returncode:
        line = " ".join(command)
        raise DeploymentError(f"{line} ended with exit code {done.returncode}; see the lines above")


def query(command: Sequence[str]) -> str:
    """Run a command and return its output, without surrounding white space.

    Raises:
        DeploymentError: if docker is missing, or fails.
    """
    done = _run(command, capture_output=True)
    if done.returncode:
        raise DeploymentError(f"{' '.join(command)}: {' '.join(done.stderr.split())}")
    return done.stdout.strip()


def has_buildx() -> bool:
    """Whether docker's client of BuildKit, ``docker buildx``, is installed."""
    try:
        return not _run(("docker", "buildx", "version"), capture_output=True).returncode
    except DeploymentError:
        return False


def _run(command: Sequence[str], **streams: Any) -> "subprocess.CompletedProcess[str]":
    """As ``subprocess.run``, which leaves a process behind if it is interrupted as it starts it."""
    text = streams.pop("input", None)
    if streams.pop("capture_output", False):
        streams |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if text is not None:
        streams["stdin"] = subprocess.PIPE
    process: subprocess.Popen[str] | None = None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        process = subprocess.Popen(command, text=True, **streams)  # noqa: S603  # see the plan
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        out, err = process.communicate(text)
    except FileNotFoundError:
        raise DeploymentError(
            "docker was not found; install Docker, or run forest push where it is installed"
        ) from None
    except BaseException:
        if process is not None:
            process.kill()
            process.wait()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return subprocess.CompletedProcess(command, process.returncode, out, err)
