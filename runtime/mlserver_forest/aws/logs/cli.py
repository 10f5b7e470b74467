"""``forest logs``."""

import click

from mlserver_forest.aws.logs.plan import WITH_LOGS, plan
from mlserver_forest.aws.resource_kinds import find_any
from mlserver_forest.aws.session import POLL, Session, command


@command
@click.argument("name")
@click.option("--follow", "-f", is_flag=True, help="Until the job ends, or Ctrl-C is pressed.")
@click.option("--lines", default=0, type=click.IntRange(0), help="Only the last lines; 0 for all.")
@POLL
def logs(session: Session, name: str, follow: bool, lines: int, poll: float) -> None:
    """Print what the endpoint or job NAME has logged."""
    found = find_any(session.existing, WITH_LOGS, name)
    session.carry_out(plan(name, found, lines, poll if follow else None))
