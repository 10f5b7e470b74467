"""``forest delete``."""

import click

from mlserver_forest.aws.delete.plan import (
    KINDS,
    Belongings,
    NothingToDelete,
    find_belongings,
    plan,
)
from mlserver_forest.aws.session import POLL, Session, command


@command
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), help="Only what is this.")
@click.option("--any", "foreign", is_flag=True, help="Include what this tool did not create.")
@click.option("--missing-ok", is_flag=True, help="It is no error if there is nothing to delete.")
@POLL
def delete(
    session: Session, name: str, kind: str | None, foreign: bool, missing_ok: bool, poll: float
) -> None:
    """Delete the endpoint NAME with its configurations and models, or the model NAME.

    Tags identify what this tool created. Data in S3, logs and images remain, and are listed. If
    there is no such endpoint, the configuration or model NAME is deleted.
    """
    try:
        found = find_belongings(name, session.existing, kind=kind, foreign=foreign)
    except NothingToDelete as error:
        if not missing_ok:
            raise
        session.say(f"nothing to delete: {error}")
        found = Belongings()
    else:
        session.confirm(f"Delete {found.describe()}?")
    if session.carry_out(plan(found, poll)) is None:
        return
    document = {
        "Endpoint": found.endpoint,
        "EndpointConfigs": found.configurations,
        "Models": found.models,
        "Left": found.stays,
    }
    session.result(document, [f"left: {one}" for one in found.stays])
