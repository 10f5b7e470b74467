"""``forest status`` and ``forest logs``."""

import json
import time
from typing import TYPE_CHECKING, Any

import click

from mlserver_forest.aws.job_options import POLL
from mlserver_forest.aws.session import Session, command
from mlserver_forest.aws.steps import Call
from mlserver_forest.errors import DeploymentError

if TYPE_CHECKING:
    from mlserver_forest.aws.waiter import Kind


@command
@click.argument("name")
def status(session: Session, name: str) -> None:
    """Where the endpoint or job NAME stands, what it costs by the hour, and why it failed."""
    from mlserver_forest.aws import waiter

    if session.dry_run:
        session.show([kind.look_up(name) for kind in waiter.KINDS])
        return
    from mlserver_forest.aws.status.describe import describe

    kind, found = waiter.find_any(session.aws, waiter.KINDS, name)
    described = describe(session.aws, kind, name, found)
    session.result(described, [f"{key}: {value}" for key, value in described.items() if value])


@command
@click.argument("name")
@click.option("--follow", "-f", is_flag=True, help="Until the job ends, or Ctrl-C.")
@click.option("--lines", default=0, type=click.IntRange(0), help="Only the last; 0 for all.")
@POLL
def logs(session: Session, name: str, follow: bool, lines: int, poll: float) -> None:
    """Print what the endpoint or job NAME has logged."""
    from mlserver_forest.aws import waiter

    kinds = [kind for kind in waiter.KINDS if kind.log_group]
    if session.dry_run:
        groups = [kind.log_group.format(name) for kind in kinds]
        session.show([Call("logs", "DescribeLogStreams", {"logGroupName": one}) for one in groups])
        return
    from mlserver_forest.aws.status.log_tail import LogTail

    kind, found = waiter.find_any(session.aws, kinds, name)
    prefix = "" if "{}" in kind.log_group else name
    tail = LogTail(session.aws, kind.log_group.format(name), prefix)
    try:
        _print(session, tail.new_lines()[-lines:])
        while follow and not _has_ended(kind, found):
            time.sleep(poll)
            found = session.aws.do(kind.look_up(name))
            _print(session, tail.new_lines())
    except KeyboardInterrupt:
        raise DeploymentError(f"interrupted; {waiter.goes_on(kind, name)}") from None


def _has_ended(kind: "Kind", found: dict[str, Any]) -> bool:
    """An endpoint in service goes on logging."""
    ended = kind.good | kind.bad if kind.stop else kind.bad
    return found[kind.status] in ended


def _print(session: Session, lines: list[str]) -> None:
    for line in lines:
        click.echo(json.dumps({"message": line}) if session.as_json else line)
