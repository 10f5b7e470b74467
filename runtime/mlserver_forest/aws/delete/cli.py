"""``forest delete``."""

import click

from mlserver_forest.aws.delete.plan import Found, look_ups, plan
from mlserver_forest.aws.job_options import POLL
from mlserver_forest.aws.session import Session, command


@command
@click.argument("name")
@click.option("--any", "foreign", is_flag=True, help="Also what this tool did not make.")
@POLL
def delete(session: Session, name: str, foreign: bool, poll: float) -> None:
    """Delete the endpoint NAME with its configurations and models, or the model NAME.

    What this tool made is known by its tags. Data in S3, logs and images stay, and are named.
    """
    if session.dry_run:
        each = ("<each one tagged for it>",)
        session.show((*look_ups(name), *plan(Found(name, each, each, is_scaled=True))))
        return
    from mlserver_forest.aws.delete import run

    found = run.find_all(session.aws, name, foreign=foreign)
    session.confirm(f"Delete {_in_words(found)}?")
    run.delete(session.aws, found, session.say, poll)
    stays = [f"left: {one}" for one in found.stays]
    document = {
        "Endpoint": found.endpoint,
        "EndpointConfigs": found.configurations,
        "Models": found.models,
        "Left": found.stays,
    }
    session.result(document, stays)


def _in_words(found: Found) -> str:
    parts = [f"endpoint {found.endpoint}"] if found.endpoint else []
    parts += [f"configuration {one}" for one in found.configurations]
    parts += [f"model {one}" for one in found.models]
    return ", ".join(parts)
