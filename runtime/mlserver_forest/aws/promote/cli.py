"""``forest promote``."""

import click

from mlserver_forest.aws.naming import foreign_note
from mlserver_forest.aws.promote.plan import find_promotion, plan
from mlserver_forest.aws.resource_kinds import ENDPOINT
from mlserver_forest.aws.session import POLL, WAIT, Session, command


@command
@click.argument("endpoint")
@click.argument("variant")
@click.option(
    "--instance-count",
    type=click.IntRange(1),
    help="By default as many as it has, or as the variant with the most traffic if that is more.",
)
@WAIT
@POLL
def promote(
    session: Session,
    endpoint: str,
    variant: str,
    instance_count: int | None,
    wait: bool,
    poll: float,
) -> None:
    """Make VARIANT the only variant of ENDPOINT: it takes all of the traffic.

    The other variants go, and a shadow variant becomes the production variant. forest rollback
    returns to what was before.
    """
    wanted = find_promotion(session.existing, endpoint, variant, instance_count)
    name = wanted.configuration
    if wanted.is_done:
        session.say(f"{variant} is the only variant of {endpoint} already")
    elif wanted.there is not None:
        lines = wanted.changed_lines()
        session.say("\n  ".join([f"changes of endpoint {endpoint}:", *lines]))
        foreign = foreign_note(wanted.there.tags)
        session.confirm(
            f"Endpoint {endpoint}{foreign} uses configuration {wanted.there.name}; make {variant} "
            "its only variant?"
        )
    if session.carry_out(plan(wanted, session.existing, poll if wait else None)) is None:
        return
    if wanted.is_done and wanted.there is not None:
        name = wanted.there.name
    line = f"{variant} takes all of the traffic of {endpoint}; undo it: forest rollback {endpoint}"
    document = {"EndpointName": endpoint, "EndpointConfigName": name, "VariantName": variant}
    session.result(document, [line if wait else ENDPOINT.goes_on(endpoint)])
