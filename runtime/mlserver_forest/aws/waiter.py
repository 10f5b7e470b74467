"""Waiting for a job or an endpoint: its states, metrics and log lines as they come."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.client import Aws, Refused
from mlserver_forest.aws.status.log_tail import LogTail
from mlserver_forest.aws.steps import Call
from mlserver_forest.errors import DeploymentError

Say = Callable[[str], None]
_LAST_LINES = 20
# Looks in a row that may fail by the network's or AWS's fault.
_MOST_FAILURES = 20


@dataclass(frozen=True)
class Kind:
    """What can be waited for.

    Attributes:
        noun: in words.
        describe: the operation, and the member that takes the name.
        status: the member that tells the state.
        detail: a member that tells more, or empty.
        good, bad: the states in which it ends.
        log_group: of CloudWatch, with {} for the name.
    """

    noun: str
    describe: str
    name: str
    status: str
    good: frozenset[str]
    bad: frozenset[str]
    log_group: str = ""
    detail: str = ""
    stop: str = ""

    def look_up(self, name: str) -> Call:
        return Call("sagemaker", self.describe, {self.name: name})


_JOB_GOOD, _JOB_BAD = frozenset({"Completed"}), frozenset({"Failed", "Stopped"})
TRAINING = Kind(
    "training job",
    "DescribeTrainingJob",
    "TrainingJobName",
    "TrainingJobStatus",
    _JOB_GOOD,
    _JOB_BAD,
    "/aws/sagemaker/TrainingJobs",
    "SecondaryStatus",
    "StopTrainingJob",
)
TUNING = Kind(
    "tuning job",
    "DescribeHyperParameterTuningJob",
    "HyperParameterTuningJobName",
    "HyperParameterTuningJobStatus",
    _JOB_GOOD,
    _JOB_BAD,
    stop="StopHyperParameterTuningJob",
)
TRANSFORM = Kind(
    "transform job",
    "DescribeTransformJob",
    "TransformJobName",
    "TransformJobStatus",
    _JOB_GOOD,
    _JOB_BAD,
    "/aws/sagemaker/TransformJobs",
    stop="StopTransformJob",
)
ENDPOINT = Kind(
    "endpoint",
    "DescribeEndpoint",
    "EndpointName",
    "EndpointStatus",
    frozenset({"InService"}),
    frozenset({"Failed", "OutOfService", "UpdateRollbackFailed"}),
    "/aws/sagemaker/Endpoints/{}",
)
KINDS = (ENDPOINT, TRAINING, TUNING, TRANSFORM)


def wait(aws: Aws, kind: Kind, name: str, say: Say, seconds: float) -> dict[str, Any]:
    """Until it ends, well or not; an interrupt leaves it running and says how to go on.

    Raises:
        DeploymentError: if there is no such thing, or the wait was interrupted.
    """
    try:
        return _wait(aws, kind, name, say, seconds)
    except KeyboardInterrupt:
        raise DeploymentError(f"interrupted; {goes_on(kind, name)}") from None
    except Refused as error:
        raise DeploymentError(f"{error}; {goes_on(kind, name)}") from error


def goes_on(kind: Kind, name: str) -> str:
    end = f"forest stop {name}" if kind.stop else f"forest delete {name}"
    follow = f"forest logs {name} --follow" if kind.log_group else f"forest status {name}"
    return (
        f"{kind.noun} {name} goes on without this command. Follow it: forest status {name}, "
        f"{follow}; end it: {end}"
    )


def checked(aws: Aws, kind: Kind, name: str, found: Mapping[str, Any]) -> None:
    """Whether it ended well.

    Raises:
        DeploymentError: with the failure reason in full and the last log lines.
    """
    status = found[kind.status]
    if status in kind.good:
        return
    reason = found.get("FailureReason") or "no reason is given"
    lines = LogTail(aws, kind.log_group.format(name), "" if "{}" in kind.log_group else name)
    last = lines.last(_LAST_LINES) if kind.log_group else []
    shown = "".join(f"\n  {line}" for line in last)
    log = f"\nthe last log lines:{shown}" if last else ""
    raise DeploymentError(f"{kind.noun} {name}: {status}: {reason}{log}")


def _wait(aws: Aws, kind: Kind, name: str, say: Say, seconds: float) -> dict[str, Any]:
    shown = ""
    news = _News(aws, kind, name)
    failures = 0
    while True:
        try:
            found = _looked_up(aws, kind, name)
            failures = 0
        except Refused as error:
            failures += 1
            _go_on(error, failures, say)
            time.sleep(seconds)
            continue
        state = state_of(kind, found)
        if state != shown:
            shown = state
            say(f"{kind.noun} {name}: {state}")
        for line in news.lines(found):
            say(line)
        if found[kind.status] in kind.good | kind.bad:
            return found
        time.sleep(seconds)


def _looked_up(aws: Aws, kind: Kind, name: str) -> dict[str, Any]:
    found = aws.find(kind.look_up(name))
    if found is None:
        raise DeploymentError(f"there is no {kind.noun} {name}")
    return found


def _go_on(error: Refused, failures: int, say: Say) -> None:
    """A laptop that sleeps, or AWS's fault, does not end a wait of hours."""
    if not error.is_passing or failures >= _MOST_FAILURES:
        raise error
    say(f"cannot look just now, trying again: {error}")


class _News:
    """What is new about a job since the last look: log lines and metrics."""

    def __init__(self, aws: Aws, kind: Kind, name: str) -> None:
        # An endpoint's log has no end; forest logs shows it.
        has_log = kind.log_group and "{}" not in kind.log_group
        self._tail = LogTail(aws, kind.log_group, name) if has_log else None
        self._told: set[str] = set()

    def lines(self, found: Mapping[str, Any]) -> Iterator[str]:
        yield from self._log_lines()
        for line in _metrics(found):
            if line not in self._told:
                self._told.add(line)
                yield line

    def _log_lines(self) -> list[str]:
        """Who may not read the log may still follow the job."""
        try:
            return self._tail.new_lines() if self._tail else []
        except Refused as error:
            if not error.is_passing:
                self._tail = None
            return [f"no log lines: {error}"]


def state_of(kind: Kind, found: Mapping[str, Any]) -> str:
    state = str(found[kind.status])
    detail = found.get(kind.detail) if kind.detail else None
    return f"{state}, {detail}" if detail and detail != state else state


def _metrics(found: Mapping[str, Any]) -> list[str]:
    counters = found.get("TrainingJobStatusCounters")
    lines = [f"jobs: {_counted(counters)}"] if counters else []
    metrics = found.get("FinalMetricDataList", [])
    return lines + [f"metric {one['MetricName']}={one['Value']:.6g}" for one in metrics]


def _counted(counters: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counters.items() if count) or "none yet"


def find_any(aws: Aws, kinds: Sequence[Kind], name: str) -> tuple[Kind, dict[str, Any]]:
    """What has that name, and its description.

    Raises:
        DeploymentError: if nothing has.
    """
    for kind in kinds:
        found = aws.find(kind.look_up(name))
        if found:
            return kind, found
    nouns = ", no ".join(kind.noun for kind in kinds)
    raise DeploymentError(f"there is no {nouns} {name} in {aws.region}; forest list shows what is")
