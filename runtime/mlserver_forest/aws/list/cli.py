"""``forest list``."""

from collections.abc import Sequence
from typing import Any

import click

from mlserver_forest.aws.list.plan import Listed, details_of, find_all, plan
from mlserver_forest.aws.session import Session, command
from mlserver_forest.aws.status.describe import describe, ended
from mlserver_forest.aws.step import Answer

_COLUMNS = ("kind", "name", "status", "cost")


@command
@click.option("--any", "foreign", is_flag=True, help="Include what this tool did not create.")
@click.option(
    "--jobs", default=20, show_default=True, type=click.IntRange(1, 100), help="Jobs of each kind."
)
def list_(session: Session, foreign: bool, jobs: int) -> None:
    """List what this tool created (by its tags), with its state and what it costs."""
    found = find_all(session.existing, foreign=foreign, most_jobs=jobs)
    answers = session.carry_out(plan(found, jobs))
    if answers is None or found is None:
        return
    rest = iter(answers)
    rows = [_row(one, [next(rest) for _ in details_of(one)]) for one in found]
    lines = ["  ".join(str(row[key]) for key in _COLUMNS if row[key]) for row in rows]
    nothing = ["nothing" if foreign else "nothing created by this tool; --any shows everything"]
    session.result({"found": rows}, lines or nothing)


def _row(listed: Listed, details: Sequence[Answer]) -> dict[str, Any]:
    kind, name, item = listed.kind, listed.name, listed.item
    if kind is None:
        created = item.get("CreationTime")
        return {"name": name, "kind": listed.noun, "status": "", "created": created, "cost": ""}
    if listed.found is None:
        return ended(kind, name, item)
    described = describe(kind, name, listed.found, details)
    return {key: described[key] for key in ("name", "kind", "status", "created", "cost")}
