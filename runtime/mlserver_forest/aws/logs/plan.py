"""``forest logs``: reading the log of an endpoint or a job, and following it if requested."""

from mlserver_forest.aws.existing import UNKNOWN, Unknown
from mlserver_forest.aws.log_tail import ReadLog, has_last_line
from mlserver_forest.aws.resource_kinds import KINDS, Kind
from mlserver_forest.aws.step import Answer, Plan, Step

WITH_LOGS = tuple(kind for kind in KINDS if kind.log_group)


def plan(name: str, found: tuple[Kind, Answer] | Unknown, lines: int, poll: float | None) -> Plan:
    """One step that reads the log.

    Args:
        name: the name of the endpoint or job.
        found: its kind and description; if they are unknown, there is a step for each kind.
        lines: the number of lines at the end that are shown first, or 0 for all.
        poll: seconds between two reads, or None to read once.
    """
    if found is UNKNOWN:
        return tuple(
            Step(ReadLog(kind, name, lines, poll), only_if=kind.look_up(name)) for kind in WITH_LOGS
        )
    kind, description = found
    until = None if has_last_line(kind, description) else poll
    return (Step(ReadLog(kind, name, lines, until)),)
