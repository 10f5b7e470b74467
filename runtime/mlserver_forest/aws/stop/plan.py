"""``forest stop``: end a training, tuning or transform job early."""

from mlserver_forest.aws.existing import UNKNOWN, Unknown
from mlserver_forest.aws.resource_kinds import KINDS, Kind
from mlserver_forest.aws.step import Answer, Plan, Step

JOBS = tuple(kind for kind in KINDS if kind.is_job)


def plan(name: str, found: tuple[Kind, Answer] | Unknown) -> Plan:
    """One call, or none if the job has ended.

    Args:
        name: the name of the job.
        found: its kind and description; if they are unknown, there is a step for each kind.
    """
    if found is UNKNOWN:
        return tuple(Step(kind.stop(name), only_if=kind.look_up(name)) for kind in JOBS)
    kind, description = found
    return () if kind.has_ended(description) else (Step(kind.stop(name)),)
