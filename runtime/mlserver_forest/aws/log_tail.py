"""Log lines from CloudWatch, each once, in the order in which they were written."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlserver_forest.aws.resource_kinds import Kind
from mlserver_forest.aws.step import Answer, Call
from mlserver_forest.errors import DeploymentError

if TYPE_CHECKING:
    from mlserver_forest.aws.client import Aws


@dataclass(frozen=True)
class ReadLog:
    """Show the log of a job or an endpoint, and follow it if requested.

    Attributes:
        kind: the kind of endpoint or job, which must have a log group.
        name: the name of the endpoint or job.
        lines: the number of lines at the end that are shown first, or 0 for all.
        poll: seconds between two reads until it ends, or None to read once.
        title: a line before the log, or empty.
    """

    kind: Kind
    name: str
    lines: int = 0
    poll: float | None = None
    title: str = ""

    def calls(self) -> list[dict[str, Any]]:
        status_call = {**self.kind.look_up(self.name).as_json(), "repeated": "until it has ended"}
        return [*log_calls(self.kind, self.name), *(() if self.poll is None else (status_call,))]


class LogTail:
    """The log of a job, or of an endpoint with all its instances.

    Args:
        aws: the account.
        kind: the kind of endpoint or job, which must have a log group.
        name: the name of the endpoint or job.
    """

    def __init__(self, aws: "Aws", kind: Kind, name: str) -> None:
        self._aws = aws
        self._kind, self._name = kind, name
        self._streams = streams_of(kind, name)
        self._tokens: dict[str, str] = {}

    def new_lines(self) -> list[str]:
        """The lines that were logged since the last call, oldest first.

        Raises:
            Refused: if the permission to read the log is missing.
        """
        # The group does not exist before something has been written to it.
        listed = (self._aws.find(self._streams) or {}).get("logStreams", [])
        streams = own_streams(self._kind, self._name, listed)
        found = [(event, one) for one in streams for event in self._new_events(one)]
        found.sort(key=lambda each: each[0]["timestamp"])
        return [self._line(str(event["message"]).rstrip(), stream) for event, stream in found]

    def _line(self, message: str, stream: str) -> str:
        """A tuning job's lines say which training job has written them."""
        return f"{stream.partition('/')[0]}: {message}" if self._kind.is_search else message

    def _new_events(self, stream: str) -> Iterator[dict[str, Any]]:
        while True:
            request: dict[str, Any] = {
                "logGroupName": self._streams.request["logGroupName"],
                "logStreamName": stream,
                "startFromHead": True,
            }
            if stream in self._tokens:
                request["nextToken"] = self._tokens[stream]
            answer = self._aws.call(Call("logs", "GetLogEvents", request))
            yield from answer["events"]
            token = answer["nextForwardToken"]
            # Only at the end does CloudWatch answer with the same token that it was given.
            if token == self._tokens.get(stream):
                return
            self._tokens[stream] = token


def read_log(
    aws: "Aws", wanted: ReadLog, show: Callable[[str], None], say: Callable[[str], None]
) -> None:
    """Show the log's lines.

    Args:
        aws: the account.
        wanted: which log.
        show: prints a line of the log.
        say: prints the title, and a line if nothing has been logged.

    Raises:
        DeploymentError: if it is interrupted, saying how to continue.
    """
    tail = LogTail(aws, wanted.kind, wanted.name)
    if wanted.title:
        say(wanted.title)
    try:
        first = tail.new_lines()[-wanted.lines :]
        if not first:
            say(f"{wanted.kind.noun} {wanted.name} has not logged anything yet")
        for line in first:
            show(line)
        while wanted.poll is not None:
            time.sleep(wanted.poll)
            found = aws.call(wanted.kind.look_up(wanted.name))
            for line in tail.new_lines():
                show(line)
            if has_last_line(wanted.kind, found):
                return
    except KeyboardInterrupt:
        raise DeploymentError(f"interrupted; {wanted.kind.goes_on(wanted.name)}") from None


def has_last_line(kind: Kind, found: Answer) -> bool:
    """Whether nothing more will be logged; an endpoint in service continues to log."""
    return found.get(kind.status) in (kind.good | kind.bad if kind.is_job else kind.bad)


def streams_of(kind: Kind, name: str) -> Call:
    """The call that lists the streams of a log."""
    request = {"logGroupName": kind.log_group.format(name)}
    if "{}" not in kind.log_group:
        # The streams of a job have names such as NAME/algo-1-1234; the training jobs of a tuning
        # job have names such as NAME-001-0123abcd.
        request["logStreamNamePrefix"] = f"{name}-" if kind.is_search else f"{name}/"
    return Call("logs", "DescribeLogStreams", request, items="logStreams")


def own_streams(kind: Kind, name: str, listed: Sequence[Mapping[str, Any]]) -> list[str]:
    """The streams of this log: a prefix may also be that of another job's name."""
    names = [str(one["logStreamName"]) for one in listed]
    if not kind.is_search:
        return names
    own = re.compile(re.escape(name) + r"-[0-9]{3,}-[^/]+/.*")
    return [one for one in names if own.fullmatch(one)]


def log_calls(kind: Kind, name: str) -> list[dict[str, Any]]:
    """What ``--dry-run`` prints for reading a log, which is repeated until its end."""
    streams = streams_of(kind, name)
    events = {
        "logGroupName": streams.request["logGroupName"],
        "logStreamName": f"<each stream of {name}>",
        "startFromHead": True,
    }
    return [
        {**call.as_json(), "repeated": "for new lines"}
        for call in (streams, Call("logs", "GetLogEvents", events))
    ]
