"""The docker command line, whose output goes to the person who waits."""

import subprocess
import sys
from collections.abc import Sequence

from mlserver_forest.errors import DeploymentError


def run(command: Sequence[str], password: str | None = None) -> None:
    """Run it to its end.

    Args:
        command: the words; no secret among them.
        password: for its standard input.

    Raises:
        DeploymentError: if docker is missing, or fails.
    """
    try:
        done = subprocess.run(  # noqa: S603  # docker, by the words that the plan shows
            command, input=password, text=True, stdout=sys.stderr, check=False
        )
    except FileNotFoundError:
        raise DeploymentError(_MISSING) from None
    if done.returncode:
        shown = " ".join(command)
        raise DeploymentError(
            f"{shown} ended with exit code {done.returncode}; see the lines above"
        )


def image_id(name: str) -> str:
    """Such as sha256:1234.

    Raises:
        DeploymentError: if there is no such image here.
    """
    return _asked(["docker", "image", "inspect", "--format", "{{.Id}}", name])


def digest_of(target: str) -> str:
    """The digest under which a pushed image is known in its registry."""
    template = "{{range .RepoDigests}}{{println .}}{{end}}"
    found = _asked(["docker", "image", "inspect", "--format", template, target])
    repository = target.rpartition(":")[0]
    for line in found.splitlines():
        name, _, digest = line.partition("@")
        if name == repository:
            return digest
    raise DeploymentError(f"docker knows no digest of {target} after the push; got {found!r}")


def _asked(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603  # as above
            command, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise DeploymentError(_MISSING) from None
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise DeploymentError(f"{' '.join(command)}: {said}")
    return done.stdout.strip()


_MISSING = "docker was not found; install Docker, or run forest push where it is"
