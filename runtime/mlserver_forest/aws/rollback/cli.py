"""``forest rollback``."""

import click

from mlserver_forest.aws.combinations import check_combinations, given_options
from mlserver_forest.aws.endpoint import instance_type_of
from mlserver_forest.aws.resource_kinds import ENDPOINT
from mlserver_forest.aws.rollback.plan import (
    check_models,
    earlier_configurations,
    find_rollback,
    plan,
)
from mlserver_forest.aws.session import POLL, WAIT, Session, command
from mlserver_forest.aws.step import Answer
from mlserver_forest.aws.traffic_shares import all_variants, describe_traffic


@command
@click.argument("endpoint")
@click.option(
    "--steps", default=1, show_default=True, type=click.IntRange(1, 10), help="Updates to undo."
)
@click.option("--to", default="", metavar="CONFIG", help="The configuration to return to.")
@click.option("--list", "is_listing", is_flag=True, help="Only list the earlier configurations.")
@WAIT
@POLL
def rollback(
    session: Session, endpoint: str, steps: int, to: str, is_listing: bool, wait: bool, poll: float
) -> None:
    """Return ENDPOINT to the configuration before the last forest deploy, or to an earlier one.

    The last ten are kept. A second rollback undoes the first.
    """
    check_combinations("rollback", given_options())
    earlier = earlier_configurations(endpoint, session.existing)
    lines = [f"{number}. {_described(one)}" for number, one in enumerate(earlier, 1)]
    if is_listing:
        if session.carry_out(()) is None:
            return
        names = [one["EndpointConfigName"] for one in earlier]
        document = {"EndpointName": endpoint, "Earlier": names}
        session.result(document, lines or [f"{endpoint} has no earlier configurations"])
        return
    wanted = find_rollback(endpoint, session.existing, steps, to, earlier)
    name = wanted.configuration
    if wanted.found is not None:
        session.say("\n  ".join([f"earlier configurations of {endpoint}:", *lines]))
        check_models(name, session.existing, session.say)
        for one in wanted.without_scaling:
            session.say(
                f"no autoscaling is set up for {one}; forest deploy --name {endpoint} --variant "
                f"{one} --autoscale LEAST:MOST does that"
            )
        session.confirm(f"Update {endpoint} from {wanted.found['EndpointConfigName']} to {name}?")
    if session.carry_out(plan(wanted, session.existing, poll if wait else None)) is None:
        return
    line = f"{endpoint} now uses configuration {name}" if wait else ENDPOINT.goes_on(endpoint)
    session.result({"EndpointName": endpoint, "EndpointConfigName": name}, [line])


def _described(configuration: Answer) -> str:
    """Its name, when it was created, and what it runs on."""
    made = configuration.get("CreationTime")
    when = f", {made:%Y-%m-%d %H:%M}" if made else ""
    models = ", ".join(
        one.get("ModelName", "inference components") for one in all_variants(configuration)
    )
    name = configuration["EndpointConfigName"]
    several = len(all_variants(configuration)) > 1
    traffic = f", {describe_traffic(configuration)}" if several else ""
    return f"{name} ({instance_type_of(configuration)}, model {models}{traffic}{when})"
