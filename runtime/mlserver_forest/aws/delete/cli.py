"""``forest delete``."""

import click

from mlserver_forest.aws.delete.plan import find_belongings, plan
from mlserver_forest.aws.session import POLL, Session, command


@command
@click.argument("name")
@click.option("--any", "foreign", is_flag=True, help="Include what this tool did not create.")
@POLL
def delete(session: Session, name: str, foreign: bool, poll: float) -> None:
    """Delete the endpoint NAME with its configurations and models, or the model NAME.

    Tags identify what this tool created. Data in S3, logs and images remain, and are listed.
    """
    found = find_belongings(name, session.existing, foreign=foreign)
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
