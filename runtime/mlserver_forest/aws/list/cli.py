"""``forest list``."""

from collections.abc import Sequence
from typing import Any

import click

from mlserver_forest.aws.combinations import check_combinations, given_options
from mlserver_forest.aws.list.plan import Listed, details_of, find_all, plan
from mlserver_forest.aws.list.registry_table import list_groups, list_versions
from mlserver_forest.aws.naming import checked_name
from mlserver_forest.aws.session import Session, command
from mlserver_forest.aws.status.describe import cost_of, listed_state
from mlserver_forest.aws.step import Answer, Step
from mlserver_forest.evaluation.text_table import text_table

# The value of --group without a name, which is none that SageMaker takes.
_EVERY_GROUP = "*"
_COLUMNS = ("kind", "name", "status", "cost")


@command
@click.option("--any", "foreign", is_flag=True, help="Include what this tool did not create.")
@click.option(
    "--jobs", default=20, show_default=True, type=click.IntRange(1, 100), help="Jobs of each kind."
)
@click.option(
    "--group",
    is_flag=False,
    flag_value=_EVERY_GROUP,
    metavar="[GROUP]",
    help="Model package groups, or the versions of one.",
)
def list_(session: Session, foreign: bool, jobs: int, group: str | None) -> None:
    """List what this tool created (by its tags), with its state and what it costs.

    The cost is looked up for the ten newest; forest status shows it for the others. With --group,
    list the model registry: its groups, or the versions of one, whoever created them.
    """
    check_combinations("list", given_options())
    if group is not None:
        _list_registered(session, group)
        return
    found = find_all(session.existing, foreign=foreign, most_jobs=jobs, say=session.say)
    answers = session.carry_out(plan(found))
    if answers is None or found is None:
        return
    rest = iter(answers)
    rows = [_row(one, [next(rest) for _ in details_of(one)]) for one in found.listed]
    lines = ["  ".join(str(row[key]) for key in _COLUMNS if row[key]) for row in rows]
    nothing = ["nothing" if foreign else "nothing created by this tool; --any shows everything"]
    document = {"found": rows, **({"refused": found.refused} if found.refused else {})}
    session.result(document, lines or nothing)


def _list_registered(session: Session, group: str) -> None:
    if group == _EVERY_GROUP:
        found = list_groups(session.existing)
    else:
        found = list_versions(session.existing, session.aws, checked_name(group), session.say)
    is_unknown = session.dry_run and not found.rows
    if session.carry_out(tuple(map(Step, found.calls)) if is_unknown else ()) is None:
        return
    session.say_all(found.notes)
    lines = text_table([found.head, *found.cells], n_left=len(found.head)) if found.rows else []
    nothing = ["no model package groups; forest register makes one"]
    session.result({"found": list(found.rows)}, lines or nothing)


def _row(listed: Listed, details: Sequence[Answer]) -> dict[str, Any]:
    created = listed.item.get("CreationTime")
    row = {"name": listed.name, "kind": listed.noun, "created": created}
    if listed.kind is None:
        return row | {"status": "", "cost": ""}
    state = listed_state(listed.kind, listed.found or listed.item)
    if listed.found is None and listed.has_costs:
        return row | {"status": state, "cost": f"cost: forest status {listed.name}"}
    return row | {
        "status": state,
        "cost": cost_of(listed.kind, listed.found or listed.item, details),
    }
