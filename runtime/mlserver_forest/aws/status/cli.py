"""``forest status``."""

import click

from mlserver_forest.aws.existing import UNKNOWN
from mlserver_forest.aws.named_kind import kind_option, kinds_of
from mlserver_forest.aws.resource_kinds import KINDS, find_named
from mlserver_forest.aws.session import Session, command
from mlserver_forest.aws.status.describe import describe, detail_steps
from mlserver_forest.aws.status.plan import plan


@command
@click.argument("name")
@kind_option(KINDS)
def status(session: Session, name: str, kind: str | None) -> None:
    """Show the state of the endpoint or job NAME, its hourly cost, and why it failed.

    If there are several of this name, all of them are shown.
    """
    kinds = kinds_of(KINDS, kind)
    found = find_named(session.existing, kinds, name)
    answers = session.carry_out(plan(kinds, name, found))
    if answers is None or found is UNKNOWN:
        return
    rest = iter(answers)
    described = [
        describe(one, name, description, [next(rest) for _ in detail_steps(one, name, description)])
        for one, description in found
    ]
    lines = [
        line
        for number, one in enumerate(described)
        for line in (
            *([""] if number else []),
            *(f"{key}: {value}" for key, value in one.items() if value),
        )
    ]
    first, *others = described
    session.result({**first, "others": others} if others else first, lines)
