"""``forest logs``."""

import click

from mlserver_forest.aws.logs.plan import find_logs, plan
from mlserver_forest.aws.named_kind import kind_option, kinds_of
from mlserver_forest.aws.resource_kinds import KINDS
from mlserver_forest.aws.session import POLL, Session, command


@command
@click.argument("name")
@kind_option(KINDS)
@click.option("--follow", "-f", is_flag=True, help="Until the job ends, or Ctrl-C is pressed.")
@click.option("--lines", default=0, type=click.IntRange(0), help="Only the last lines; 0 for all.")
@POLL
def logs(
    session: Session, name: str, kind: str | None, follow: bool, lines: int, poll: float
) -> None:
    """Print what the endpoint or job NAME has logged, also if the endpoint is gone.

    If there are several of this name, the logs of all of them are printed, and --follow follows one
    after the other.
    """
    kinds = kinds_of(KINDS, kind)
    found = find_logs(session.existing, kinds, name)
    session.carry_out(plan(kinds, name, found, lines, poll if follow else None))
