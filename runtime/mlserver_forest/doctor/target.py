"""The target of an examination: how a server is started, and what a running one can do."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from mlserver_forest.doctor.http_client import ask

# Longer than a ping may take, so that a slow answer is distinguished from none.
_TRY_SECONDS = 10.0
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Setting:
    """The surroundings of a server.

    Attributes:
        variables: environment variables, in addition to those of the caller.
        models: whether models are loaded at run time from /opt/ml/models, instead of at the
            start from /opt/ml/model.
        in_pipeline: whether SAGEMAKER_BIND_TO_PORT and SAGEMAKER_SAFE_PORT_RANGE are set.
        read_only_model: whether the model directory is read-only.
        read_only_root: whether only /tmp is writable.
        unprivileged: whether it runs as an unknown user, without capabilities.
        no_shared_memory: whether there is no /dev/shm.
        no_home: whether HOME is not set.
        memory_mb: the limit of memory in MB, or None for no limit.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    models: bool = False
    in_pipeline: bool = False
    read_only_model: bool = False
    read_only_root: bool = False
    unprivileged: bool = False
    no_shared_memory: bool = False
    no_home: bool = False
    memory_mb: int | None = None


class RunningServer(Protocol):
    """A running server.

    Attributes:
        port: the port on loopback on which it can be reached.
        inner_port: the port on which it was configured to listen.
        safe_range: the first and the last of the other ports that it may use, or None.
        model_url: the folder of the model to load, if models are loaded at run time.
    """

    port: int
    safe_range: tuple[int, int] | None

    @property
    def inner_port(self) -> int: ...

    @property
    def model_url(self) -> str: ...

    def exit_code(self) -> int | None:
        """The exit code, or None while it is running."""

    def terminate(self) -> float:
        """Send SIGTERM once; return when it was sent (``time.monotonic``)."""

    def wait(self, seconds: float) -> int | None:
        """The exit code, or None if it is still running after that time."""

    def last_log_line(self) -> str:
        """The last line of its log."""

    def squeeze(self, megabytes: int) -> bool:
        """Limit its memory to this much more than it uses; return whether that was possible."""

    def listening(self) -> frozenset[int] | None:
        """The TCP ports on which it listens, or None if they cannot be determined."""

    def written(self) -> tuple[str, ...]:
        """The files in the model directory that have changed since it started."""


class DoctorTarget(Protocol):
    """An image or a model directory.

    Attributes:
        labels: an image's labels; None if it is not an image.
    """

    @property
    def labels(self) -> Mapping[str, str] | None: ...

    def why_not(self, setting: Setting) -> str | None:
        """Why it cannot be started in a setting, or None if it can."""

    def serving(self, setting: Setting) -> AbstractContextManager[RunningServer]:
        """Start it; at the end of the block it is stopped, and what it left behind is removed."""


def wait_until_ready(server: RunningServer, seconds: float) -> float:
    """Call /ping until it answers 200; return the seconds that this took.

    Raises:
        ChildProcessError: if the server exited.
        TimeoutError: if it never answered 200.
    """
    began = time.monotonic()
    came = "no answer"
    while (passed := time.monotonic() - began) < seconds:
        if (code := server.exit_code()) is not None:
            raise ChildProcessError(f"ended with exit code {code}: {server.last_log_line()}")
        with suppress(OSError):
            answer = ask(server.port, "GET", "/ping", seconds=_TRY_SECONDS)
            if answer.status == 200:
                return time.monotonic() - began
            came = str(answer)
        time.sleep(_PAUSE_SECONDS)
    raise TimeoutError(
        f"/ping did not answer 200 within {passed:.0f} s ({came}); "
        f"the log ends: {server.last_log_line()}"
    )
