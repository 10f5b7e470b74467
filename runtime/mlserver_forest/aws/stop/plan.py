"""``forest stop``: end a training, tuning or transform job early."""

from collections.abc import Sequence

from mlserver_forest.aws.existing import UNKNOWN, Unknown
from mlserver_forest.aws.resource_kinds import KINDS, Kind, Named
from mlserver_forest.aws.step import Plan, Step

JOBS = tuple(kind for kind in KINDS if kind.is_job)


def running(found: Named) -> Named:
    """The jobs that have not ended."""
    return tuple((kind, one) for kind, one in found if not kind.has_ended(one))


def plan(kinds: Sequence[Kind], name: str, found: Named | Unknown) -> Plan:
    """One call, or none if the job has ended.

    Args:
        kinds: the kinds that are asked for.
        name: the name of the job.
        found: what exists; if it is unknown, the look-ups of all kinds come before the call.
    """
    if found is not UNKNOWN:
        return tuple(Step(kind.stop(name)) for kind, _ in running(found))
    first, *others = kinds
    call = first.stop(name)
    instead = [f"{kind.stop(name).operation} if it is a {kind.noun}" for kind in others]
    return (
        *(Step(kind.look_up(name), may_be_missing=True) for kind in kinds),
        Step(call, when="; ".join([f"it is a {first.noun} that has not ended", *instead])),
    )
