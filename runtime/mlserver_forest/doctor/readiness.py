"""Waiting until a server is ready; what keeps it from that is named as soon as it is certain."""

import time
from collections.abc import Collection
from dataclasses import dataclass

from mlserver_forest.doctor.http_client import Answer, ask
from mlserver_forest.doctor.listening_sockets import ListeningSocket
from mlserver_forest.doctor.target import RunningServer, StartFailure

# Longer than a ping may take, so that a slow answer is distinguished from none.
_TRY_SECONDS = 10.0
# At first a server is asked often, then less, so that asking takes no CPU to speak of.
_PAUSE_SECONDS, _LATER_PAUSE_SECONDS, _LATER = 0.05, 0.25, 2.0
# How long an answer that is not "not yet" (503) stays the same before it is held to be final.
_WRONG_ROUTE_SECONDS = 4.0
_ERROR_SECONDS = 6.0
# A server that starts uses the CPU or a disk; one whose threads all sleep waits for nothing.
_LOOPBACK_SECONDS = 2.0
_WRONG_PORT_SECONDS = 4.0
_IDLE_SECONDS = 10.0
_IDLE_LOOKS = 6
_BUSY_PAUSE_SECONDS = 3.0
_LOOK_SECONDS = 1.0
_NOT_YET = 503
# The first bytes of a TLS alert, which a server that expects HTTPS sends.
_TLS = ("\\x15\\x03", "\x15\x03")


@dataclass(frozen=True)
class Symptom:
    """What is seen of a server that is not ready.

    Attributes:
        says: what is seen.
        advice: what to do if it stays so.
        seconds: how long it stays so before it is final; None if it never is.
        if_idle: whether it is final only if the server uses no CPU.
    """

    says: str
    advice: str = ""
    seconds: float | None = None
    if_idle: bool = False


def wait_until_ready(server: RunningServer, seconds: float) -> float:
    """Call /ping until it answers 200; return the seconds that this took.

    Args:
        server: the server, which may still be starting.
        seconds: how long that may take.

    Raises:
        StartFailure: if the server exited, or did not answer 200, or never will: it listens
            elsewhere, or answers something else, and does nothing about it.
    """
    watch = _Watch(server)
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        if (code := server.exit_code()) is not None:
            raise server.ended(code)
        if watch.is_ready():
            return time.monotonic() - began
        if watch.is_certain():
            raise watch.failure()
        time.sleep(_PAUSE_SECONDS if passed < _LATER else _LATER_PAUSE_SECONDS)
    raise StartFailure(
        f"/ping did not answer 200 within {passed:.0f} s ({watch.symptom.says}); "
        f"{server.last_words()}",
        watch.symptom.advice,
    )


class _Watch:
    """A server, the last symptom, and since when it has been the same."""

    def __init__(self, server: RunningServer) -> None:
        self.symptom = Symptom("no answer")
        self._server = server
        self._since = self._looked = time.monotonic()

    def is_ready(self) -> bool:
        began = time.monotonic()
        try:
            answer = ask(self._server.port, "GET", "/ping", seconds=_TRY_SECONDS)
        except OSError as error:
            self._look(error, began)
            return False
        if answer.status == 200:
            return True
        self._note(_of_answer(answer), began)
        return False

    def is_certain(self) -> bool:
        """Whether the symptom has lasted long enough, and the server does nothing about it.

        A server of which that cannot be determined is waited for.
        """
        symptom, now = self.symptom, time.monotonic()
        if symptom.seconds is None or now - self._since < symptom.seconds:
            return False
        if not symptom.if_idle:
            return True
        if all(self._server.is_idle() for _ in range(_IDLE_LOOKS)):
            return True
        self._since = now - symptom.seconds + _BUSY_PAUSE_SECONDS
        return False

    def failure(self) -> StartFailure:
        says, server = self.symptom.says, self._server
        if server.is_short_of_memory():
            return StartFailure(
                f"processes of the server are killed for memory ({says}); {server.last_words()}",
                "use less memory at the start, or choose a larger instance",
            )
        return StartFailure(f"{says}; {server.last_words()}", self.symptom.advice)

    def _look(self, error: OSError, began: float) -> None:
        """Look at the sockets, though not at every try, because that takes a command."""
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        self._note(_of_sockets(self._server, self._server.listening(), error), began)

    def _note(self, symptom: Symptom, began: float) -> None:
        """Note a symptom that a try showed which began at a time."""
        if symptom.advice != self.symptom.advice or symptom.seconds != self.symptom.seconds:
            self._since = began
        self.symptom = symptom


def _of_answer(answer: Answer) -> Symptom:
    says = f"GET /ping answers {answer}"
    if answer.status == _NOT_YET:
        advice = "answer 200 once the model is loaded; see the log for what it waits for"
        return Symptom(says, advice, _IDLE_SECONDS, if_idle=True)
    if answer.status >= 500:
        advice = "see the log for the error behind it"
        return Symptom(says, advice, _ERROR_SECONDS, if_idle=True)
    return Symptom(says, "add the route GET /ping, which answers 200", _WRONG_ROUTE_SECONDS)


def _of_sockets(
    server: RunningServer, sockets: Collection[ListeningSocket] | None, error: OSError
) -> Symptom:
    port = server.inner_port
    if sockets is None:
        return Symptom(f"no answer: {error}")
    right = [one for one in sockets if one.port == port]
    if right and not server.is_on_loopback and all(one.is_loopback for one in right):
        return Symptom(
            f"listens on {_listed(right)}, which only the container itself reaches",
            f"listen on 0.0.0.0:{port}",
            _LOOPBACK_SECONDS,
        )
    if right:
        return _of_silence(port, error)
    if sockets:
        return Symptom(
            f"listens on {_listed(sockets)}, not on port {port}",
            f"listen on 0.0.0.0:{port}",
            _WRONG_PORT_SECONDS,
            if_idle=True,
        )
    return Symptom(
        "listens on no port, and all its threads sleep",
        f"start a server on 0.0.0.0:{port} when the container is run with `serve`",
        _IDLE_SECONDS,
        if_idle=True,
    )


def _of_silence(port: int, error: OSError) -> Symptom:
    """What a server shows that accepts connections on the right port and does not speak HTTP."""
    if any(start in str(error) for start in _TLS):
        return Symptom(
            f"port {port} expects HTTPS: it answers plain HTTP with a TLS alert",
            "serve plain HTTP: SageMaker encrypts in front of the container",
            _WRONG_ROUTE_SECONDS,
        )
    return Symptom(
        f"port {port} is open, but there is no answer: {error}",
        "answer GET /ping over HTTP/1.1; see the log",
        _IDLE_SECONDS,
        if_idle=True,
    )


def _listed(sockets: Collection[ListeningSocket]) -> str:
    return ", ".join(map(str, sorted(sockets, key=lambda one: one.port)))
