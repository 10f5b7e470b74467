"""The target of an examination: how a server is started, and what a running one can do."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from mlserver_forest.doctor.listening_sockets import ListeningSocket


class StartFailure(OSError):  # A check that gets no answer raises an OSError, too.
    """A command that did not start, or a server that did not become ready.

    Attributes:
        advice: what to do about it; empty if the rule's own advice fits.
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(reason)
        self.advice = advice


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
        is_on_loopback: whether it is reached over this machine's own loopback address.
    """

    port: int
    is_on_loopback: bool
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

    def last_words(self) -> str:
        """The end of its log, as part of a sentence."""

    def ended(self, code: int) -> StartFailure:
        """Why it ended, if it ended with this exit code."""

    def is_short_of_memory(self) -> bool:
        """Whether one of its processes was killed for memory."""

    def is_idle(self) -> bool | None:
        """Whether all of its threads sleep at the moment: none runs, wants to, or waits for a disk.

        None if that cannot be determined.
        """

    def squeeze(self, megabytes: int) -> bool:
        """Limit its memory to this much more than it uses; return whether that was possible."""

    def listening(self) -> frozenset[ListeningSocket] | None:
        """The TCP sockets on which it listens, or None if they cannot be determined."""

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
