"""Docker: its command, with a time limit for every call, and containers that are always removed."""

import json
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserver_forest.doctor.listening_sockets import ListeningSocket, listening_in
from mlserver_forest.doctor.local_server import BUSY, MODEL_NAME
from mlserver_forest.doctor.target import StartFailure
from mlserver_forest.errors import InvalidEnvironment

DEFAULT_PORT = 8080
_PREFIX = "forest-doctor-"
_COPY_SECONDS = 600.0
_USED = re.compile(r"([\d.]+)(KiB|MiB|GiB)")
_MEGABYTES = {"KiB": 1 / 1024, "MiB": 1, "GiB": 1024}
_NO_ENV = 'exec: "env"'
# What the engine says before its last line, which names the container alone.
_DAEMON = "Error response from daemon: "
_KILLED = 137
# What to do about the last words of a container that could not run its command.
_ADVICE = {
    "exec format error": "the image is for another kind of processor, or its script has no first "
    "line such as #!/bin/sh; build it with --platform linux/amd64",
    "Permission denied": "make what it names readable or executable for every user: chmod -R a+rX",
    "Address already in use": "start one server only, and on one port",
}


@dataclass
class Container:
    """A container: a ``RunningServer``, or a training job.

    Attributes:
        identity: its id.
        port: the port on loopback that is forwarded to ``inner_port``; 0 until it is known.
        memory_mb: the limit of its memory in MB, or None if it has none of its own.
        terminated_at: when SIGTERM was sent (``time.monotonic``), or None.
    """

    identity: str
    inner_port: int = DEFAULT_PORT
    safe_range: tuple[int, int] | None = None
    port: int = 0
    memory_mb: int | None = None
    terminated_at: float | None = None
    is_on_loopback = False

    @property
    def model_url(self) -> str:
        return f"/opt/ml/models/{MODEL_NAME}/model"

    def start(self) -> None:
        """Start the container.

        Raises:
            FileNotFoundError: if HOME should be unset, and the image does not have ``env``.
            StartFailure: if the engine could not start the command.
        """
        done = docker("start", self.identity)
        if done.returncode:
            if _NO_ENV in done.stderr:
                raise FileNotFoundError(
                    "the image does not have the command `env`, which is needed to unset HOME"
                )
            raise _not_started(done.stderr)

    def find_port(self) -> None:
        """Find the port on loopback.

        Raises:
            StartFailure: if it has ended.
        """
        published = docker("port", self.identity).stdout
        self.port = int(found[1]) if (found := re.search(r":(\d+)\s*$", published)) else 0
        if not self.port and (code := self.exit_code()) is not None:
            raise self.ended(code)

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

    def last_words(self) -> str:
        done = docker("logs", "--tail", "20", self.identity)
        text = done.stderr if done.stderr.strip() else done.stdout
        return f"the log ends: {last_line(text)}" if text.strip() else "the log is empty"

    def ended(self, code: int) -> StartFailure:
        if code == _KILLED and self.is_short_of_memory():
            limit = f" of {self.memory_mb} MB" if self.memory_mb else " of this machine"
            return StartFailure(
                f"killed for memory: it needed more than the limit{limit} (exit code {code}); "
                f"{self.last_words()}",
                "use less memory, or choose a larger instance or, for a serverless endpoint, more "
                "memory (up to 6144 MB)",
            )
        words = self.last_words()
        advice = next((advice for start, advice in _ADVICE.items() if start in words), "")
        return StartFailure(f"ended with exit code {code}; {words}", advice)

    def is_short_of_memory(self) -> bool:
        return self.state("OOMKilled") == "true"

    def is_idle(self) -> bool | None:
        lines = docker("top", self.identity, "-eLo", "pid,stat").stdout.splitlines()[1:]
        states = [line.split()[1] for line in lines if len(line.split()) > 1]
        return all(state[0] not in BUSY for state in states) if states else None

    def squeeze(self, megabytes: int) -> bool:
        output = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", self.identity).stdout
        found = _USED.match(output)
        if not found:
            return False
        used = float(found[1]) * _MEGABYTES[found[2]]
        limit = f"{int(used) + megabytes}m"
        update = ("update", "--memory", limit, "--memory-swap", limit, self.identity)
        return docker(*update).returncode == 0

    def listening(self) -> frozenset[ListeningSocket] | None:
        table = docker("exec", self.identity, "cat", "/proc/net/tcp", "/proc/net/tcp6").stdout
        table = table or self._table_of_host()
        return frozenset(listening_in(table).values()) if table else None

    def _table_of_host(self) -> str:
        """The container's sockets as this machine shows them, for an image without ``cat``."""
        folder = Path(
            "/proc",
            docker("inspect", "--format", "{{.State.Pid}}", self.identity).stdout.strip() or "0",
            "net",
        )
        with suppress(OSError):  # The engine runs elsewhere, or for another user.
            return (folder / "tcp").read_text() + (folder / "tcp6").read_text()
        return ""

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


def _not_started(said: str) -> StartFailure:
    """Why the engine could not start a command, from what it printed."""
    lines = [line for line in said.splitlines() if line.startswith(_DAEMON)]
    reason = lines[0].removeprefix(_DAEMON) if lines else last_line(said)
    if found := re.search(r'exec: "([^"]+)": (executable file not found|.*no such file)', reason):
        return StartFailure(
            f"executable not found: the image has no command `{found[1]}` in its PATH",
            f"put an executable `{found[1]}` into a folder of the image's PATH, or an ENTRYPOINT "
            "that takes the argument; SageMaker runs `docker run IMAGE train` and `docker run "
            "IMAGE serve`, so a CMD alone is replaced",
        )
    if "permission denied" in reason:
        return StartFailure(f"did not start: {reason}", "make the file executable: chmod +x")
    return StartFailure(f"did not start: {reason}")


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
