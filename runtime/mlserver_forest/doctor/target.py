"""What is examined: how a server is started, and what can be asked of one that runs."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from mlserver_forest.doctor.http_client import ask

# Longer than a ping may take, so that a slow answer is not taken for none.
_TRY_SECONDS = 10.0
_PAUSE_SECONDS = 0.25


@dataclass(frozen=True)
class Setting:
    """What surrounds a server.

    Attributes:
        variables: of the environment, beside the caller's.
        models: whether models come at run time, from /opt/ml/models, instead of /opt/ml/model.
        in_pipeline: whether SAGEMAKER_BIND_TO_PORT and SAGEMAKER_SAFE_PORT_RANGE are set.
        read_only_model: whether the model directory cannot be written to.
        read_only_root: whether only /tmp can be written to.
        unprivileged: whether it runs as an unknown user, without capabilities.
        no_shared_memory: whether there is no /dev/shm.
        no_home: whether HOME is not set.
        memory_mb: how much memory there is, or None for no limit.
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
    """A server that was started.

    Attributes:
        port: the port on loopback on which it can be asked.
        inner_port: the port that it was told to listen on.
        safe_range: the first and the last of the other ports that it may use, or None.
        model_url: the folder of the model to load, if models come at run time.
    """

    port: int
    safe_range: tuple[int, int] | None

    @property
    def inner_port(self) -> int: ...

    @property
    def model_url(self) -> str: ...

    def exit_code(self) -> int | None:
        """None while it runs."""

    def terminate(self) -> float:
        """Send SIGTERM, once; the time of that (``time.monotonic``)."""

    def wait(self, seconds: float) -> int | None:
        """The exit code, or None if it still runs after that time."""

    def last_log_line(self) -> str:
        """The last line of its log."""

    def squeeze(self, megabytes: int) -> bool:
        """Limit its memory to so much more than it uses; whether that was possible."""

    def listening(self) -> frozenset[int] | None:
        """The TCP ports on which it listens, or None if that cannot be seen."""

    def written(self) -> tuple[str, ...]:
        """The files in the model's directory that have changed since it started."""


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
        """Start it; at the end of the block it is ended, and what it left is removed."""


def wait_until_ready(server: RunningServer, seconds: float) -> float:
    """Ask /ping until it answers 200; the seconds that this took.

    Raises:
        ChildProcessError: if the server ended.
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
