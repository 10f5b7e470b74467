"""The docker command: every call is bounded in time."""

import json
import shutil
import subprocess
from typing import Any

from mlserver_forest.errors import InvalidEnvironment

Done = subprocess.CompletedProcess[str]


def docker(*arguments: str, seconds: float = 60) -> Done:
    """Run ``docker``; what it says is in the result, whatever the exit code.

    Raises:
        InvalidEnvironment: if there is no such command.
        TimeoutError: if it takes longer than ``seconds``.
    """
    command = shutil.which("docker")
    if command is None:
        raise InvalidEnvironment(
            "no command `docker` in PATH; install Docker, or give a model directory"
        )
    try:
        return subprocess.run(  # noqa: S603  # Docker's own command
            [command, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"docker {arguments[0]}: not done within {seconds:.0f} s") from error


def need(*arguments: str, seconds: float = 60) -> str:
    """What ``docker`` prints.

    Raises:
        InvalidEnvironment: with what it said, if it failed.
    """
    done = docker(*arguments, seconds=seconds)
    if done.returncode:
        raise InvalidEnvironment(f"docker {arguments[0]}: {last_line(done.stderr)}")
    return done.stdout.strip()


def inspect_image(reference: str) -> dict[str, Any]:
    """An image's configuration.

    Raises:
        InvalidEnvironment: if no engine answers, or the image is not on this machine.
    """
    need("version", "--format", "{{.Server.Version}}")
    done = docker("image", "inspect", reference)
    if done.returncode:
        raise InvalidEnvironment(
            f"{reference} is neither a directory nor an image on this machine; "
            f"`docker pull {reference}` or build it"
        )
    config: dict[str, Any] = json.loads(done.stdout)[0]["Config"]
    return config


def last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "nothing")
