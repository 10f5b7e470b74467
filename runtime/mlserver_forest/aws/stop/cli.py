"""``forest stop``."""

import click

from mlserver_forest.aws.existing import UNKNOWN
from mlserver_forest.aws.named_kind import kind_option, kinds_of, only_one
from mlserver_forest.aws.resource_kinds import find_named
from mlserver_forest.aws.session import Session, command
from mlserver_forest.aws.stop.plan import JOBS, plan, running


@command
@click.argument("name")
@kind_option(JOBS)
def stop(session: Session, name: str, kind: str | None) -> None:
    """Stop the training, tuning or transform job NAME; a training job keeps its model so far."""
    kinds = kinds_of(JOBS, kind)
    found = find_named(session.existing, kinds, name)
    if found is not UNKNOWN:
        only_one(running(found), name, "stopped")
    steps = plan(kinds, name, found)
    if found is not UNKNOWN and steps:
        session.confirm(f"Stop {running(found)[0][0].noun} {name}?")
    if session.carry_out(steps) is None or found is UNKNOWN:
        return
    one, description = (*running(found), *found)[0]
    status = "Stopping" if steps else description[one.status]
    state = "is stopping" if steps else f"is {status} already"
    session.result({one.name: name, one.status: status}, [f"{one.noun} {name} {state}"])
