"""``forest rollback`` and ``forest stop``: taking back what was begun."""

import click

from mlserver_forest.aws.deploy.endpoint_config import Traffic
from mlserver_forest.aws.job_options import POLL, WAIT
from mlserver_forest.aws.rollback.plan import plan
from mlserver_forest.aws.session import Session, command
from mlserver_forest.aws.steps import Call


@command
@click.argument("endpoint")
@WAIT
@POLL
def rollback(session: Session, endpoint: str, wait: bool, poll: float) -> None:
    """Let ENDPOINT answer with the configuration that the last forest deploy replaced.

    A second rollback goes forward again.
    """
    look_up = Call("sagemaker", "DescribeEndpoint", {"EndpointName": endpoint})
    if session.dry_run:
        previous = "<the one in its tag mlserver-forest:previous>"
        session.show([look_up, plan(endpoint, previous, Traffic(), is_serverless=False)])
        return
    from mlserver_forest.aws import waiter
    from mlserver_forest.aws.deploy import run

    found, configuration, call = run.find_previous(session.aws, endpoint)
    session.confirm(f"Update {endpoint} from {found['EndpointConfigName']} to {configuration}?")
    run.update(session.aws, call, found, session.say)
    document = {"EndpointName": endpoint, "EndpointConfigName": configuration}
    if not wait:
        session.result(document, [waiter.goes_on(waiter.ENDPOINT, endpoint)])
        return
    run.settled(session.aws, endpoint, configuration, session.say, poll)
    session.result(document, [f"{endpoint} answers with {configuration}"])


@command
@click.argument("name")
def stop(session: Session, name: str) -> None:
    """Stop the training, tuning or transform job NAME; a training job keeps its model so far."""
    from mlserver_forest.aws import waiter

    jobs = [kind for kind in waiter.KINDS if kind.stop]
    if session.dry_run:
        session.show([Call("sagemaker", kind.stop, {kind.name: name}) for kind in jobs])
        return
    kind, found = waiter.find_any(session.aws, jobs, name)
    if found[kind.status] in kind.good | kind.bad:
        ended = f"{kind.noun} {name} is {found[kind.status]} already"
        session.result({kind.name: name, kind.status: found[kind.status]}, [ended])
        return
    session.confirm(f"Stop {kind.noun} {name}?")
    session.aws.call("sagemaker", kind.stop, {kind.name: name})
    session.result({kind.name: name, kind.status: "Stopping"}, [f"{kind.noun} {name} is stopping"])
