"""Log lines from CloudWatch, each once, in the order in which they were written."""

from collections.abc import Iterator
from typing import Any

from mlserver_forest.aws.client import Aws
from mlserver_forest.aws.steps import Call


class LogTail:
    """The streams of a log group that begin with a prefix.

    Args:
        aws: the account.
        group: the log group.
        prefix: of the streams' names: a job's name, or empty for an endpoint's group.
    """

    def __init__(self, aws: Aws, group: str, prefix: str) -> None:
        self._aws = aws
        self._group = group
        # A job's streams are NAME/algo-1-1234 and the like.
        self._prefix = f"{prefix}/" if prefix else ""
        self._tokens: dict[str, str] = {}

    def new_lines(self) -> list[str]:
        """What came since the last call, oldest first."""
        found = [event for stream in self._streams() for event in self._new_events(stream)]
        found.sort(key=lambda event: event["timestamp"])
        return [str(event["message"]).rstrip() for event in found]

    def last(self, n_lines: int) -> list[str]:
        return self.new_lines()[-n_lines:]

    def _streams(self) -> list[str]:
        request = {"logGroupName": self._group}
        if self._prefix:
            request["logStreamNamePrefix"] = self._prefix
        call = Call("logs", "DescribeLogStreams", request)
        if self._aws.find(Call("logs", "DescribeLogStreams", {**request, "limit": 1})) is None:
            # There is no group before somebody has written into it.
            return []
        return [stream["logStreamName"] for stream in self._aws.pages(call, "logStreams")]

    def _new_events(self, stream: str) -> Iterator[dict[str, Any]]:
        while True:
            request: dict[str, Any] = {
                "logGroupName": self._group,
                "logStreamName": stream,
                "startFromHead": True,
            }
            if stream in self._tokens:
                request["nextToken"] = self._tokens[stream]
            answer = self._aws.call("logs", "GetLogEvents", request)
            yield from answer["events"]
            token = answer["nextForwardToken"]
            # At the end, and only there, CloudWatch answers with the token that it was given.
            if token == self._tokens.get(stream):
                return
            self._tokens[stream] = token
