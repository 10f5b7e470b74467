"""``forest status``."""

import click

from mlserver_forest.aws.existing import UNKNOWN
from mlserver_forest.aws.resource_kinds import KINDS, find_any
from mlserver_forest.aws.session import Session, command
from mlserver_forest.aws.status.describe import describe
from mlserver_forest.aws.status.plan import plan


@command
@click.argument("name")
def status(session: Session, name: str) -> None:
    """Show the state of the endpoint or job NAME, its hourly cost, and why it failed."""
    found = find_any(session.existing, KINDS, name)
    answers = session.carry_out(plan(name, found))
    if answers is None or found is UNKNOWN:
        return
    kind, description = found
    described = describe(kind, name, description, answers)
    session.result(described, [f"{key}: {value}" for key, value in described.items() if value])
