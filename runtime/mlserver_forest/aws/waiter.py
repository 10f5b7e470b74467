"""Waiting for a job or an endpoint: its states, metrics and log lines as they come."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from mlserver_forest.aws.aws_errors import Refused
from mlserver_forest.aws.log_tail import LogTail, log_calls
from mlserver_forest.aws.resource_kinds import Kind, metric_lines
from mlserver_forest.aws.step import Answer
from mlserver_forest.errors import DeploymentError

if TYPE_CHECKING:
    from mlserver_forest.aws.client import Aws

Say = Callable[[str], None]
_Answer = TypeVar("_Answer")
_LAST_LINES = 20
# The first looks after an update may still show the endpoint as it was before.
_MOST_STALE = 30
# A wait of hours survives this many failed look-ups in a row, such as those of a sleeping laptop.
_MOST_FAILURES = 20


class EndedBadly(DeploymentError):
    """The job or endpoint has failed, or was stopped."""


@dataclass(frozen=True)
class Wait:
    """Wait until a job or an endpoint has reached a good final state.

    Attributes:
        kind: the kind of endpoint or job.
        name: its name.
        seconds: the seconds between two checks.
        configuration: the configuration that an endpoint must have in the end, because AWS may
            roll an update back.
        until_gone: whether to wait until it no longer exists.
    """

    kind: Kind
    name: str
    seconds: float
    configuration: str = ""
    until_gone: bool = False

    @property
    def has_log(self) -> bool:
        """Whether log lines are shown; forest logs shows those of endpoints, which have no end, and
        those of tuning jobs, which are many jobs' at a time.
        """
        return self.kind.is_job and not self.kind.is_search

    def calls(self) -> list[dict[str, Any]]:
        end = " or ".join(sorted(self.kind.good | self.kind.bad))
        until = "it is gone" if self.until_gone else f"{self.kind.status} is {end}"
        look = {**self.kind.look_up(self.name).as_json(), "repeated": f"until {until}"}
        return [look, *(log_calls(self.kind, self.name) if self.has_log else [])]


def wait(aws: "Aws", wanted: Wait, say: Say) -> Answer:
    """Wait until the end; an interrupt leaves the job running and says how to follow it.

    Returns:
        The final description; empty if it is gone.

    Raises:
        EndedBadly: with the failure reason in full and the last log lines.
        DeploymentError: if it does not exist, or if the wait was interrupted.
    """
    goes_on = "" if wanted.until_gone else f"; {wanted.kind.goes_on(wanted.name)}"
    try:
        found = _until_gone(aws, wanted) if wanted.until_gone else _until_end(aws, wanted, say)
    except KeyboardInterrupt:
        raise DeploymentError(f"interrupted{goes_on}") from None
    except Refused as error:
        raise DeploymentError(f"{error}{goes_on}") from error
    if found:
        _check_end(aws, wanted, found)
    return found


def _until_gone(aws: "Aws", wanted: Wait) -> Answer:
    kind = wanted.kind
    while found := aws.find(kind.look_up(wanted.name)):
        if found[kind.status] in kind.bad:
            return found
        time.sleep(wanted.seconds)
    return {}


def patiently(look: Callable[[], _Answer], say: Say, seconds: float) -> _Answer:
    """The answer to a look-up, which is made again if a failure is a passing one.

    Args:
        look: makes the look-up.
        say: prints a line about a failure.
        seconds: the seconds between two tries.

    Raises:
        Refused: if it fails for another reason, or too often.
    """
    failures = 0
    while True:
        try:
            return look()
        except Refused as error:
            failures += 1
            if not error.is_passing or failures >= _MOST_FAILURES:
                raise
            say(f"the state could not be read; trying again: {error}")
            time.sleep(seconds)


def _until_end(aws: "Aws", wanted: Wait, say: Say) -> Answer:
    news = _News(aws, wanted)
    look_up = wanted.kind.look_up(wanted.name)
    looks = 0
    changed = False
    while True:
        found = patiently(partial(aws.find, look_up), say, wanted.seconds)
        if found is None:
            raise DeploymentError(f"there is no {wanted.kind.noun} {wanted.name}")
        for line in news.lines(found):
            say(line)
        if wanted.kind.has_ended(found) and not _is_stale(wanted, found, changed, looks):
            return found
        changed = changed or not wanted.kind.has_ended(found)
        looks += 1
        time.sleep(wanted.seconds)


def _is_stale(wanted: Wait, found: Answer, changed: bool, looks: int) -> bool:
    """Whether a description is that of an endpoint before its update.

    After a rollback by AWS, the endpoint has been seen in another state, or has a reason.
    """
    return bool(
        wanted.configuration
        and found[wanted.kind.status] in wanted.kind.good
        and found["EndpointConfigName"] != wanted.configuration
        and not found.get("FailureReason")
        and not changed
        and looks < _MOST_STALE
    )


def _check_end(aws: "Aws", wanted: Wait, found: Answer) -> None:
    kind, name = wanted.kind, wanted.name
    status = found[kind.status]
    if status not in kind.good:
        reason = found.get("FailureReason") or "no reason was given"
        raise EndedBadly(f"{kind.noun} {name}: {status}: {reason}{_last_lines(aws, kind, name)}")
    if wanted.configuration and found["EndpointConfigName"] != wanted.configuration:
        reason = found.get("FailureReason") or "an alarm, or instances that never became healthy"
        raise EndedBadly(
            f"endpoint {name} was rolled back by AWS to configuration "
            f"{found['EndpointConfigName']}: {reason}; see forest logs {name}"
        )


def _last_lines(aws: "Aws", kind: Kind, name: str) -> str:
    try:
        last = LogTail(aws, kind, name).new_lines()[-_LAST_LINES:]
    except Refused as error:
        return f"\nno log lines: {error}"
    shown = "".join(f"\n  {line}" for line in last)
    return f"\nthe last log lines:{shown}" if last else ""


class _News:
    """What is new since the last check: the state, log lines and metrics."""

    def __init__(self, aws: "Aws", wanted: Wait) -> None:
        self._kind, self._name = wanted.kind, wanted.name
        self._tail = LogTail(aws, wanted.kind, wanted.name) if wanted.has_log else None
        self._state = ""
        self._metrics: set[str] = set()

    def lines(self, found: Mapping[str, Any]) -> Iterator[str]:
        state = self._kind.state(found)
        if state != self._state:
            self._state = state
            yield f"{self._kind.noun} {self._name}: {state}"
        yield from self._log_lines()
        for line in _measured(found):
            if line not in self._metrics:
                self._metrics.add(line)
                yield line

    def _log_lines(self) -> list[str]:
        """The new log lines; a job can be followed without the permission to read its log."""
        try:
            return self._tail.new_lines() if self._tail else []
        except Refused as error:
            if not error.is_passing:
                self._tail = None
            return [f"no log lines: {error}"]


def _measured(found: Mapping[str, Any]) -> list[str]:
    lines = [f"metric {line}" for line in metric_lines(found)]
    counters = found.get("TrainingJobStatusCounters")
    if not counters:
        return lines
    counts = ", ".join(f"{count} {name}" for name, count in counters.items() if count)
    return [f"jobs: {counts or 'none yet'}", *lines]
