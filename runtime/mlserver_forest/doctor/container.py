"""Docker: its command, with a time limit for every call, and containers that are always removed."""

import json
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserver_forest.doctor.local_server import MODEL_NAME, listening_in
from mlserver_forest.errors import InvalidEnvironment

DEFAULT_PORT = 8080
_PREFIX = "forest-doctor-"
_COPY_SECONDS = 600.0
_USED = re.compile(r"([\d.]+)(KiB|MiB|GiB)")
_MEGABYTES = {"KiB": 1 / 1024, "MiB": 1, "GiB": 1024}
_NO_ENV = 'exec: "env"'


@dataclass
class Container:
    """A container: a ``RunningServer``, or a training job.

    Attributes:
        identity: its id.
        port: the port on loopback that is forwarded to ``inner_port``; 0 until it is known.
        terminated_at: when SIGTERM was sent (``time.monotonic``), or None.
    """

    identity: str
    inner_port: int = DEFAULT_PORT
    safe_range: tuple[int, int] | None = None
    port: int = 0
    terminated_at: float | None = None

    @property
    def model_url(self) -> str:
        return f"/opt/ml/models/{MODEL_NAME}/model"

    def start(self) -> None:
        """Start the container.

        Raises:
            FileNotFoundError: if HOME should be unset, and the image does not have ``env``.
            ChildProcessError: if the engine could not start the command.
        """
        done = docker("start", self.identity)
        if done.returncode:
            if _NO_ENV in done.stderr:
                raise FileNotFoundError(
                    "the image does not have the command `env`, which is needed to unset HOME"
                )
            raise ChildProcessError(f"did not start: {last_line(done.stderr)}")

    def find_port(self) -> None:
        """Find the port on loopback.

        Raises:
            ChildProcessError: if it has ended.
        """
        published = docker("port", self.identity).stdout
        self.port = int(found[1]) if (found := re.search(r":(\d+)\s*$", published)) else 0
        if not self.port and (code := self.exit_code()) is not None:
            raise ChildProcessError(f"ended with exit code {code}: {self.last_log_line()}")

    def state(self, field: str) -> str:
        """A member of Docker's ``State``, such as ``ExitCode``."""
        return need("inspect", "--format", f"{{{{.State.{field}}}}}", self.identity)

    def exit_code(self) -> int | None:
        return None if self.state("Running") == "true" else int(self.state("ExitCode"))

    def terminate(self) -> float:
        if self.terminated_at is None:
            self.terminated_at = time.monotonic()
            docker("kill", "--signal", "TERM", self.identity)
        return self.terminated_at

    def wait(self, seconds: float) -> int | None:
        try:
            done = docker("wait", self.identity, seconds=max(seconds, 1))
        except TimeoutError:
            return None
        return int(done.stdout.strip())

    def last_log_line(self) -> str:
        done = docker("logs", "--tail", "20", self.identity)
        return last_line(done.stderr if done.stderr.strip() else done.stdout)

    def squeeze(self, megabytes: int) -> bool:
        output = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", self.identity).stdout
        found = _USED.match(output)
        if not found:
            return False
        used = float(found[1]) * _MEGABYTES[found[2]]
        limit = f"{int(used) + megabytes}m"
        update = ("update", "--memory", limit, "--memory-swap", limit, self.identity)
        return docker(*update).returncode == 0

    def listening(self) -> frozenset[int] | None:
        done = docker("exec", self.identity, "cat", "/proc/net/tcp", "/proc/net/tcp6")
        return frozenset(listening_in(done.stdout).values()) if done.stdout else None

    def written(self) -> tuple[str, ...]:
        """No files, because the checks that call this mount the directory read-only."""
        return ()

    def copy_in(self, root: Path) -> None:
        """Copy a tree over the container's root directory."""
        need("cp", f"{root}/.", f"{self.identity}:/", seconds=_COPY_SECONDS)

    def copy_out(self, path: str, target: Path) -> bool:
        """Copy a path of the container to ``target``; return whether the path existed."""
        source = f"{self.identity}:{path}"
        return docker("cp", source, str(target), seconds=_COPY_SECONDS).returncode == 0


@contextmanager
def container(*arguments: str) -> Iterator[Container]:
    """Create a container; it is always removed by its id at the end of the block."""
    # Until Docker has returned the id, only the name is known.
    identity = name = _PREFIX + secrets.token_hex(6)
    try:
        identity = need("create", "--name", name, "--label", "forest-doctor", *arguments)
        yield Container(identity)
    finally:
        docker("rm", "--force", "--volumes", identity)


def docker(*arguments: str, seconds: float = 60) -> "subprocess.CompletedProcess[str]":
    """Run ``docker``; the result has its output, whatever the exit code is.

    Args:
        arguments: the arguments of ``docker``.
        seconds: how long it may take.

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
    """Run ``docker`` and return its output.

    Raises:
        InvalidEnvironment: if it fails, with its last line.
    """
    done = docker(*arguments, seconds=seconds)
    if done.returncode:
        raise InvalidEnvironment(f"docker {arguments[0]}: {last_line(done.stderr)}")
    return done.stdout.strip()


def inspect_image(reference: str) -> dict[str, Any]:
    """The configuration of an image.

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
    """The last line that is not blank, or "nothing"."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "nothing")
