"""An image, of this project or any other, that Docker serves."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlserver_forest.doctor.container import DEFAULT_PORT, Container, container
from mlserver_forest.doctor.local_server import lay_out
from mlserver_forest.doctor.target import Setting

_PIPELINE_PORT, _RANGE = 20_000, (20_000, 20_099)


class ImageTarget:
    """A ``DoctorTarget`` that is an image; only SageMaker's contract is used.

    Args:
        reference: the image's name.
        config: the configuration that Docker reports for it.
        model: the model directory that it serves.
        variables: environment variables, in addition to those of a setting.
        workspace: a folder for copies of the model.
    """

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
        inner_port = _PIPELINE_PORT if setting.in_pipeline else DEFAULT_PORT
        with container(*self._arguments(setting, root, inner_port)) as server:
            server.inner_port, server.memory_mb = inner_port, setting.memory_mb
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
        # Docker sets HOME if it is missing, so a command in the container unsets it.
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
