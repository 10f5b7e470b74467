"""``forest rollback``."""

import click

from mlserver_forest.aws.resource_kinds import ENDPOINT
from mlserver_forest.aws.rollback.plan import find_rollback, plan
from mlserver_forest.aws.session import POLL, WAIT, Session, command


@command
@click.argument("endpoint")
@WAIT
@POLL
def rollback(session: Session, endpoint: str, wait: bool, poll: float) -> None:
    """Return ENDPOINT to the configuration that the last forest deploy replaced.

    A second rollback undoes the first.
    """
    wanted = find_rollback(endpoint, session.existing)
    name = wanted.configuration
    if wanted.found is not None:
        session.confirm(f"Update {endpoint} from {wanted.found['EndpointConfigName']} to {name}?")
    steps = plan(wanted, session.existing, poll if wait else None)
    if session.carry_out(steps) is None:
        return
    line = f"{endpoint} now uses configuration {name}" if wait else ENDPOINT.goes_on(endpoint)
    session.result({"EndpointName": endpoint, "EndpointConfigName": name}, [line])
