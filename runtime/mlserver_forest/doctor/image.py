"""An image, ours or other people's: only the contract is used."""

import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlserver_forest.doctor.docker_engine import Done, docker, last_line, need
from mlserver_forest.doctor.listening_ports import listening_in
from mlserver_forest.doctor.local_server import MODEL_NAME, lay_out
from mlserver_forest.doctor.target import Setting

PREFIX = "forest-doctor-"
_PORT, _PIPELINE_PORT, _RANGE = 8080, 20_000, (20_000, 20_099)
# Longer than SageMaker allows, so that what is too slow is seen to be so.
_COPY_SECONDS = 600.0
_USED = re.compile(r"([\d.]+)(KiB|MiB|GiB)")
_MEGABYTES = {"KiB": 1 / 1024, "MiB": 1, "GiB": 1024}
_NO_ENV = 'exec: "env"'


@dataclass
class Container:
    """A ``Server`` in a container; also what a training job is run in."""

    identity: str
    inner_port: int = _PORT
    safe_range: tuple[int, int] | None = None
    port: int = 0
    told_at: float | None = None

    @property
    def model_url(self) -> str:
        return f"/opt/ml/models/{MODEL_NAME}/model"

    def start(self) -> None:
        """Start it.

        Raises:
            FileNotFoundError: if ``env`` was to take HOME away, and there is none.
            ChildProcessError: if the engine could not start the command.
        """
        done = docker("start", self.identity)
        if done.returncode:
            if _NO_ENV in done.stderr:
                raise FileNotFoundError("the image has no command `env` to take HOME away with")
            raise ChildProcessError(f"did not start: {last_line(done.stderr)}")

    def find_port(self) -> None:
        """Learn on which port of loopback it can be asked.

        Raises:
            ChildProcessError: if it has ended.
        """
        published = docker("port", self.identity).stdout
        self.port = int(found[1]) if (found := re.search(r":(\d+)\s*$", published)) else 0
        if not self.port and (code := self.exit_code()) is not None:
            raise ChildProcessError(f"ended with exit code {code}: {self.last_words()}")

    def state(self, field: str) -> str:
        return need("inspect", "--format", f"{{{{.State.{field}}}}}", self.identity)

    def exit_code(self) -> int | None:
        return None if self.state("Running") == "true" else int(self.state("ExitCode"))

    def terminate(self) -> float:
        if self.told_at is None:
            self.told_at = time.monotonic()
            docker("kill", "--signal", "TERM", self.identity)
        return self.told_at

    def wait(self, seconds: float) -> int | None:
        try:
            done = docker("wait", self.identity, seconds=max(seconds, 1))
        except TimeoutError:
            return None
        return int(done.stdout.strip())

    def last_words(self) -> str:
        done: Done = docker("logs", "--tail", "20", self.identity)
        return last_line(done.stderr if done.stderr.strip() else done.stdout)

    def squeeze(self, megabytes: int) -> bool:
        told = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", self.identity).stdout
        found = _USED.match(told)
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
        """Nothing: where it matters the directory is mounted so that nobody can write to it."""
        return ()

    def copy_in(self, root: Path) -> None:
        """Lay a tree over the container's root directory."""
        need("cp", f"{root}/.", f"{self.identity}:/", seconds=_COPY_SECONDS)

    def copy_out(self, path: str, target: Path) -> bool:
        """Whether there was such a path."""
        source = f"{self.identity}:{path}"
        return docker("cp", source, str(target), seconds=_COPY_SECONDS).returncode == 0


@contextmanager
def container(*arguments: str) -> Iterator[Container]:
    """Create a container; it is removed by its id at the end of the block, come what may."""
    # Until the engine has told the id, the name is all that is known of it.
    identity = name = PREFIX + secrets.token_hex(6)
    try:
        identity = need("create", "--name", name, "--label", "forest-doctor", *arguments)
        yield Container(identity)
    finally:
        docker("rm", "--force", "--volumes", identity)


class Image:
    """A ``Patient`` that is an image."""

    def __init__(
        self,
        reference: str,
        config: Mapping[str, Any],
        model: Path,
        variables: Mapping[str, str],
        workspace: Path,
    ) -> None:
        self.labels: Mapping[str, str] | None = config.get("Labels") or {}
        self._reference = reference
        self._entrypoint: Sequence[str] = config.get("Entrypoint") or ()
        self._variables = variables
        self._root = workspace / "root"
        lay_out(self._root / "opt" / "ml", model, models=False, read_only=False)
        self._models_root = workspace / "models-root"
        lay_out(self._models_root / "opt" / "ml", model, models=True, read_only=False)

    def why_not(self, setting: Setting) -> str | None:
        return None

    @contextmanager
    def serving(self, setting: Setting) -> Iterator[Container]:
        root = self._models_root if setting.models else self._root
        inner_port = _PIPELINE_PORT if setting.in_pipeline else _PORT
        with container(*self._arguments(setting, root, inner_port)) as server:
            server.inner_port = inner_port
            server.safe_range = _RANGE if setting.in_pipeline else None
            if not (setting.read_only_model or setting.models):
                server.copy_in(root)
            server.start()
            server.find_port()
            yield server

    def _arguments(self, setting: Setting, root: Path, inner_port: int) -> list[str]:
        arguments = ["--publish", f"127.0.0.1::{inner_port}", *_confined(setting)]
        for name, value in self._variables_of(setting).items():
            arguments += ["--env", f"{name}={value}"]
        if setting.models or setting.read_only_model:
            folder = "models" if setting.models else "model"
            arguments += ["--volume", f"{root}/opt/ml/{folder}:/opt/ml/{folder}:ro"]
        if not setting.no_home:
            return [*arguments, self._reference, "serve"]
        # The engine sets HOME where it is missing, so a command in the container takes it away.
        command = ["-u", "HOME", *self._entrypoint, "serve"]
        return [*arguments, "--entrypoint", "env", self._reference, *command]

    def _variables_of(self, setting: Setting) -> dict[str, str]:
        pipeline = {
            "SAGEMAKER_BIND_TO_PORT": str(_PIPELINE_PORT),
            "SAGEMAKER_SAFE_PORT_RANGE": f"{_RANGE[0]}-{_RANGE[1]}",
        }
        return {
            **self._variables,
            **(pipeline if setting.in_pipeline else {}),
            **setting.variables,
        }


def _confined(setting: Setting) -> list[str]:
    arguments = []
    if setting.read_only_root:
        arguments += ["--read-only", "--tmpfs", "/tmp:exec,mode=1777"]  # noqa: S108
    if setting.unprivileged:
        arguments += ["--user", "12345:12345", "--cap-drop=ALL"]
    if setting.no_shared_memory:
        arguments += ["--ipc=none"]
    if setting.memory_mb is not None:
        limit = f"{setting.memory_mb}m"
        arguments += ["--memory", limit, "--memory-swap", limit]
    return arguments
