"""``forest stop``."""

import click

from mlserver_forest.aws.existing import UNKNOWN
from mlserver_forest.aws.resource_kinds import find_any
from mlserver_forest.aws.session import Session, command
from mlserver_forest.aws.stop.plan import JOBS, plan


@command
@click.argument("name")
def stop(session: Session, name: str) -> None:
    """Stop the training, tuning or transform job NAME; a training job keeps its model so far."""
    found = find_any(session.existing, JOBS, name)
    steps = plan(name, found)
    if found is not UNKNOWN and steps:
        session.confirm(f"Stop {found[0].noun} {name}?")
    if session.carry_out(steps) is None or found is UNKNOWN:
        return
    kind, description = found
    status = "Stopping" if steps else description[kind.status]
    state = "is stopping" if steps else f"is {status} already"
    session.result({kind.name: name, kind.status: status}, [f"{kind.noun} {name} {state}"])
