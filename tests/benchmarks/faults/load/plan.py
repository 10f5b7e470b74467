"""What a load generator is to do."""

from dataclasses import dataclass

from .questions import Question


@dataclass(frozen=True)
class Plan:
    """A load.

    Attributes:
        port: of the server, on 127.0.0.1.
        questions: asked in turn, again and again.
        rate: requests per second, whatever the server does (open loop); None: every
            connection asks again as soon as it has its answer (closed loop).
        fresh: the share of requests that get a connection of their own; the others
            take turns on connections that are kept.
        pool: how many connections are kept; more are opened while these are busy.
        most: requests under way at most; what arrives beyond is dropped (in a closed
            loop there are ``pool`` of them).
        timeout: seconds that a request may take.
        seconds: after which the load ends by itself.
        ends_when_refused: whether it ends with the first connection that is refused.
    """

    port: int
    questions: tuple[Question, ...]
    rate: float | None = 400.0
    fresh: float = 0.5
    pool: int = 16
    most: int = 2_000
    timeout: float = 10.0
    seconds: float = 120.0
    ends_when_refused: bool = False
