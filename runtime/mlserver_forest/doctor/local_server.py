"""A model directory that a command of this machine serves, without Docker."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mlserver_forest.doctor.listening_sockets import ListeningSocket, listening_in
from mlserver_forest.doctor.target import Setting, StartFailure
from mlserver_forest.errors import InvalidEnvironment

MODEL_NAME = "0123456789abcdef"
_RANGE = 100
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Snapshot = Mapping[str, tuple[int, int]]
# The states of a thread that runs or could run, and of one that waits for a disk (man 5 proc).
BUSY = frozenset("RD")
_IDLE_PAUSE_SECONDS = 0.1


def find_serve() -> str:
    """Find the command beside this interpreter, or else in PATH.

    Raises:
        InvalidEnvironment: if there is none.
    """
    beside = Path(sys.executable).parent / "serve"
    found = str(beside) if beside.is_file() else shutil.which("serve")
    if found is None:
        raise InvalidEnvironment(
            f"there is no command `serve` in {beside.parent} or in PATH; install mlserver-forest, "
            "or examine an image"
        )
    return found


def lay_out(base: Path, model: Path, *, models: bool, read_only: bool) -> None:
    """Copy a model to where SageMaker puts it, readable by all and writable by the owner.

    Args:
        base: the folder that stands for /opt/ml.
        model: the model directory.
        models: whether models are loaded at run time, from models/ instead of model/.
        read_only: whether the copy is read-only.
    """
    target = base / "models" / MODEL_NAME / "model" if models else base / "model"
    shutil.copytree(model, target)
    for path in base.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    base.chmod(0o755)
    if read_only:
        for path in [*target.rglob("*"), target]:
            path.chmod(0o555 if path.is_dir() else 0o444)


def _snapshot(folder: Path) -> Snapshot:
    """The size and the modification time of each file."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if not path.is_dir()
    }


def _changed(before: Snapshot, after: Snapshot) -> tuple[str, ...]:
    return tuple(sorted(name for name, _ in before.items() ^ after.items()))


@dataclass
class ServerProcess:
    """A ``RunningServer`` that is a session of processes.

    Attributes:
        base: the root of SageMaker's file contract, instead of /opt/ml.
        log: the file with its output.
        before: the files below ``base`` at its start.
        terminated_at: when SIGTERM was sent (``time.monotonic``), or None.
    """

    process: subprocess.Popen[bytes]
    port: int
    safe_range: tuple[int, int] | None
    base: Path
    log: Path
    before: Snapshot = field(default_factory=dict)
    terminated_at: float | None = None
    is_on_loopback = True

    @property
    def inner_port(self) -> int:
        return self.port

    @property
    def model_url(self) -> str:
        return str(self.base / "models" / MODEL_NAME / "model")

    def exit_code(self) -> int | None:
        return self.process.poll()

    def terminate(self) -> float:
        if self.terminated_at is None:
            self.terminated_at = time.monotonic()
            self.process.terminate()
        return self.terminated_at

    def wait(self, seconds: float) -> int | None:
        try:
            return self.process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            return None

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), None)
        return f"the log ends: {last}" if last else "the log is empty"

    def ended(self, code: int) -> StartFailure:
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        return StartFailure(f"ended with {how}; {self.last_words()}")

    def is_short_of_memory(self) -> bool:
        return False

    def is_idle(self) -> bool | None:
        time.sleep(_IDLE_PAUSE_SECONDS)
        states = _states_of(self.process.pid)
        return states.isdisjoint(BUSY) if states else None

    def squeeze(self, megabytes: int) -> bool:
        return False

    def listening(self) -> frozenset[ListeningSocket] | None:
        return _sockets_of_session(self.process.pid)

    def written(self) -> tuple[str, ...]:
        return _changed(self.before, _snapshot(self.base))

    def end(self) -> None:
        """Stop it, and all processes that it has started."""
        self.terminate()
        if self.wait(10) is None:
            self.process.kill()
        self.process.wait()
        with suppress(ProcessLookupError):  # It may have left processes of its session.
            os.killpg(self.process.pid, signal.SIGKILL)


class DirectoryTarget:
    """A ``DoctorTarget`` that is a model directory, which a process can only serve.

    Args:
        model: the directory.
        command: the command that serves it.
        variables: environment variables, in addition to those of a setting.
        workspace: a folder for copies of the model and for logs.
    """

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
        return (
            "needs an image: a process cannot be isolated from this machine"
            if needs_image
            else None
        )

    @contextmanager
    def serving(self, setting: Setting) -> Iterator[ServerProcess]:
        base = self._workspace / secrets.token_hex(4)
        lay_out(base, self._model, models=False, read_only=setting.read_only_model)
        if setting.models:
            # A server without multi-model endpoints needs model/ to start, and then answers 404.
            lay_out(base, self._model, models=True, read_only=False)
        port, log = _free_port(), self._workspace / f"{base.name}.log"
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
        server = ServerProcess(process, port, safe_range, base, log, _snapshot(base))
        try:
            yield server
        finally:
            server.end()

    def _variables_of(self, setting: Setting, base: Path, port: int, last: int) -> dict[str, str]:
        """The environment; as in a container, nothing is inherited from this process."""
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _sockets_of_session(leader: int) -> frozenset[ListeningSocket] | None:
    """The sockets on which a session's processes listen; None if there is no /proc."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    if not tables[0].exists():
        return None
    inodes = set(_inodes(leader))
    found = listening_in("\n".join(table.read_text() for table in tables if table.exists()))
    return frozenset(one for inode, one in found.items() if inode in inodes)


def _inodes(leader: int) -> Iterable[str]:
    """The inodes of the sockets that a session's processes hold."""
    for process in _processes_of(leader):
        with suppress(OSError):  # The process has ended, or belongs to another user.
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    target = str(descriptor.readlink())
                    if target.startswith("socket:["):
                        yield target[8:-1]


def _states_of(leader: int) -> set[str]:
    """The states of all threads of a session; empty if there are none to see."""
    states = set()
    for process in _processes_of(leader):
        for thread in process.glob("task/[0-9]*/stat"):
            with suppress(OSError):  # The thread has ended.
                states.add(thread.read_text().rpartition(")")[2].split()[0])
    return states


def _processes_of(leader: int) -> Iterable[Path]:
    """The folders in /proc of a session's processes."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # The process has ended.
            stat = (process / "stat").read_text().rpartition(")")[2].split()
            if int(stat[3]) == leader:
                yield process
