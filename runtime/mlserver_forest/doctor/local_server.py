"""A model directory, served by a command of this machine; no Docker is needed."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mlserver_forest.doctor.listening_ports import ports_of_session
from mlserver_forest.doctor.target import Setting
from mlserver_forest.errors import InvalidEnvironment

MODEL_NAME = "0123456789abcdef"
_RANGE = 100
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Snapshot = Mapping[str, tuple[int, int]]


def find_serve() -> str:
    """The command beside this interpreter, or else in PATH.

    Raises:
        InvalidEnvironment: if there is none.
    """
    beside = Path(sys.executable).parent / "serve"
    found = str(beside) if beside.is_file() else shutil.which("serve")
    if found is None:
        raise InvalidEnvironment(
            f"no command `serve` in {beside.parent} or in PATH; install mlserver-forest, or "
            "examine an image"
        )
    return found


def lay_out(base: Path, model: Path, *, models: bool, read_only: bool) -> None:
    """Copy a model to where SageMaker puts it: to be read by all, and written by the owner."""
    target = base / "models" / MODEL_NAME / "model" if models else base / "model"
    shutil.copytree(model, target)
    for path in base.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    base.chmod(0o755)
    if read_only:
        for path in [*target.rglob("*"), target]:
            path.chmod(0o555 if path.is_dir() else 0o444)


def snapshot(folder: Path) -> Snapshot:
    """Size and time of each file."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if not path.is_dir()
    }


def changed(before: Snapshot, after: Snapshot) -> tuple[str, ...]:
    return tuple(sorted(name for name, _ in before.items() ^ after.items()))


@dataclass
class ServerProcess:
    """A ``Server`` that is a session of processes."""

    process: subprocess.Popen[bytes]
    port: int
    safe_range: tuple[int, int] | None
    base: Path
    log: Path
    before: Snapshot = field(default_factory=dict)
    told_at: float | None = None

    @property
    def inner_port(self) -> int:
        return self.port

    @property
    def model_url(self) -> str:
        return str(self.base / "models" / MODEL_NAME / "model")

    def exit_code(self) -> int | None:
        return self.process.poll()

    def terminate(self) -> float:
        if self.told_at is None:
            self.told_at = time.monotonic()
            self.process.terminate()
        return self.told_at

    def wait(self, seconds: float) -> int | None:
        try:
            return self.process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            return None

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")

    def squeeze(self, megabytes: int) -> bool:
        return False

    def listening(self) -> frozenset[int] | None:
        return ports_of_session(self.process.pid)

    def written(self) -> tuple[str, ...]:
        return changed(self.before, snapshot(self.base))

    def end(self) -> None:
        self.terminate()
        if self.wait(10) is None:
            self.process.kill()
        self.process.wait()
        with suppress(ProcessLookupError):  # What it may have left of its session.
            os.killpg(self.process.pid, signal.SIGKILL)


class ModelDirectory:
    """A ``Patient`` of which only the serving can be seen, and no more than a process shows."""

    labels = None

    def __init__(
        self,
        model: Path,
        command: Sequence[str],
        variables: Mapping[str, str],
        workspace: Path,
    ) -> None:
        self._model = model
        self._command = command
        self._variables = variables
        self._workspace = workspace

    def why_not(self, setting: Setting) -> str | None:
        needs_image = (
            setting.read_only_root
            or setting.unprivileged
            or setting.no_shared_memory
            or setting.memory_mb is not None
        )
        return "needs an image: a process has this machine around it" if needs_image else None

    @contextmanager
    def serving(self, setting: Setting) -> Iterator[ServerProcess]:
        base = self._workspace / secrets.token_hex(4)
        lay_out(base, self._model, models=False, read_only=setting.read_only_model)
        if setting.models:
            # The other is for a command that knows no multi-model endpoints: it says so by 404.
            lay_out(base, self._model, models=True, read_only=False)
        port, log = free_port(), self._workspace / f"{base.name}.log"
        last = min(port + _RANGE, 65535)
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603  # the caller's own command
                self._command,
                env=self._variables_of(setting, base, port, last),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        safe_range = (port, last) if setting.in_pipeline else None
        server = ServerProcess(process, port, safe_range, base, log, snapshot(base))
        try:
            yield server
        finally:
            server.end()

    def _variables_of(self, setting: Setting, base: Path, port: int, last: int) -> dict[str, str]:
        """As in a container, nothing is inherited."""
        variables = {
            "PATH": f"{Path(self._command[0]).parent}:{_PATH}",
            "LANG": "C.UTF-8",
            "SAGEMAKER_BASE_DIR": str(base),
            "SAGEMAKER_BIND_TO_PORT": str(port),
        }
        if not setting.no_home:
            variables["HOME"] = str(Path.home())
        if setting.in_pipeline:
            variables["SAGEMAKER_SAFE_PORT_RANGE"] = f"{port}-{last}"
        return {**variables, **self._variables, **setting.variables}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
