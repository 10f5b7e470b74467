"""``forest logs``: reading the log of an endpoint or a job, and following it if requested."""

from collections.abc import Sequence

from mlserver_forest.aws.existing import UNKNOWN, Existing, Unknown
from mlserver_forest.aws.log_tail import ReadLog, has_last_line, streams_of
from mlserver_forest.aws.resource_kinds import ENDPOINT, Kind, Named, find_named
from mlserver_forest.aws.step import Plan, Step


def find_logs(existing: Existing, kinds: Sequence[Kind], name: str) -> Named | Unknown:
    """All endpoints and jobs of this name, and an endpoint that is gone if its log is there.

    Returns:
        Pairs of a kind and the description, which is empty for an endpoint that is gone.

    Raises:
        DeploymentError: if there is nothing of this name.
    """
    return find_named(
        existing,
        kinds,
        name,
        lambda kind: kind is ENDPOINT and bool(existing.items(streams_of(kind, name))),
    )


def plan(
    kinds: Sequence[Kind], name: str, found: Named | Unknown, lines: int, poll: float | None
) -> Plan:
    """A step for each log.

    Args:
        kinds: the kinds that are asked for.
        name: the name of the endpoint or job.
        found: what exists; if it is unknown, there is a step for each kind.
        lines: the number of lines at the end that are shown first, or 0 for all.
        poll: seconds between two reads, or None to read once.
    """
    if found is UNKNOWN:
        return tuple(
            Step(ReadLog(kind, name, lines, poll), only_if=kind.look_up(name)) for kind in kinds
        )
    logs = []
    for kind, description in found:
        until = None if not description or has_last_line(kind, description) else poll
        title = f"the log of {kind.noun} {name}" if len(found) > 1 else ""
        logs.append(ReadLog(kind, name, lines, until, title))
    # The logs that have an end come before those that are followed, and an endpoint's is the last.
    logs.sort(key=lambda log: (log.poll is not None, not log.kind.is_job))
    return tuple(Step(log) for log in logs)
