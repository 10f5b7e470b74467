"""``forest cost``."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

import click

from mlserver_forest.aws.combinations import check_combinations, given_options
from mlserver_forest.aws.cost.choices import Capacity, choices, together
from mlserver_forest.aws.cost.priced import Priced, money, price_list_with, priced
from mlserver_forest.aws.cost.traffic import LONGEST, EndpointTraffic, find_traffic, traffic_at
from mlserver_forest.aws.endpoint import variant_names
from mlserver_forest.aws.finite_number import FiniteNumber
from mlserver_forest.aws.infrastructure import parse_pairs
from mlserver_forest.aws.list.plan import Listed, details_of, find_all, plan
from mlserver_forest.aws.prices import Prices
from mlserver_forest.aws.resource_kinds import ENDPOINT
from mlserver_forest.aws.session import Session, command
from mlserver_forest.aws.status.describe import running_instances
from mlserver_forest.aws.step import Answer
from mlserver_forest.aws.time_span import parse_span
from mlserver_forest.aws.traffic_shares import SHADOW
from mlserver_forest.errors import DeploymentError

_MOST = 1000
_NOT_COUNTED = (
    "Not counted: data in S3, images in ECR, logs, volumes, data in and out, processing jobs."
)


@command
@click.argument("name", default="")
@click.option("--any", "foreign", is_flag=True, help="Include what this tool did not create.")
@click.option("--since", default="7d", show_default=True, help="How far back calls are counted.")
@click.option("--rate", type=FiniteNumber(0), help="Calls per second, in place of CloudWatch.")
@click.option("--seconds", type=FiniteNumber(0), help="The time of a call (--rate).")
@click.option(
    "--measured",
    type=FiniteNumber(0, min_open=True),
    help="The calls per second that one instance answers, as you have measured.",
)
@click.option(
    "--rows",
    default=1.0,
    show_default=True,
    type=FiniteNumber(0, min_open=True),
    help="The predictions of a call.",
)
@click.option(
    "--memory-mb",
    default=2048,
    show_default=True,
    type=click.IntRange(1024, 6144),
    help="That of a serverless endpoint.",
)
@click.option(
    "--price",
    "given",
    multiple=True,
    metavar="TYPE=PRICE",
    help="A price, such as ml.c7g.large=0.1 per hour; repeatable.",
)
def cost(
    session: Session, name: str, foreign: bool, given: tuple[str, ...], **options: Any
) -> None:
    """Show what runs now, or the endpoint or job NAME, costs, and what would cost less.

    Instances by the list price per hour and month, and predictions by the calls that CloudWatch
    has counted. Each cheaper choice says what it assumes.
    """
    check_combinations("cost", given_options())
    hours = ceil(parse_span(options["since"], LONGEST) / timedelta(hours=1))
    price_list = price_list_with(dict(parse_pairs("--price", given)))
    found = find_all(
        session.existing, foreign=foreign, most_jobs=100, say=session.say, most_described=_MOST
    )
    answers = session.carry_out(plan(found))
    if answers is None or found is None:
        return
    rest = iter(answers)
    pairs = [(one, [next(rest) for _ in details_of(one)]) for one in found.listed]
    running = [
        (one, details)
        for one, details in pairs
        if one.kind and one.found and one.has_costs and name in {"", one.name}
    ]
    if name and not running:
        raise DeploymentError(
            f"nothing called {name} runs in {session.aws.region}; see forest list"
        )
    items = [
        _with_traffic(session, one, _priced(one, details, price_list), hours, options)
        for one, details in running
    ]
    _show(session, items, price_list, Capacity(options["measured"], options["memory_mb"]))


def _priced(one: Listed, details: Sequence[Answer], price_list: Prices) -> Priced:
    instances = running_instances(one.kind, one.found or {}, details) if one.kind else []
    return priced(one.noun, one.name, instances, price_list)


def _with_traffic(
    session: Session, one: Listed, item: Priced, hours: int, options: dict[str, Any]
) -> Priced:
    if one.kind is not ENDPOINT or one.found is None:
        return item
    traffic: EndpointTraffic | None
    if options["rate"] is not None:
        traffic = traffic_at(options["rate"], options["seconds"])
    else:
        now = datetime.now(UTC)
        # The calls of a shadow variant are copies, whose answers nobody gets.
        production = {name: part for name, part in one.found.items() if name != SHADOW}
        names = variant_names(production)
        traffic = find_traffic(session.existing, one.name, names, hours, now)
    return replace(item, traffic=traffic, rows_per_call=options["rows"])


def _show(
    session: Session, items: Sequence[Priced], price_list: Prices, capacity: Capacity
) -> None:
    endpoints = [one for one in items if one.kind == ENDPOINT.noun]
    cheaper = {one.name: choices(one, price_list, capacity) for one in endpoints}
    shared = together(endpoints, price_list)
    known = [one.hourly for one in items if one.hourly is not None]
    currency = price_list.currency
    lines = [
        line
        for one in items
        for line in (
            *one.lines(currency),
            *(choice.line(currency) for choice in cheaper.get(one.name, ())),
        )
    ]
    lines += [choice.line(currency).strip() for choice in shared]
    unknown = len(items) - len(known)
    more = f", and {unknown} of unknown cost" if unknown else ""
    lines += [
        f"in all: {money(sum(known))} {currency} per hour{more}",
        f"List prices in {price_list.region}, {price_list.as_of}; --price gives others.",
        _NOT_COUNTED,
    ]
    document = {
        "currency": currency,
        "region": price_list.region,
        "as_of": price_list.as_of,
        "found": [
            {**one.as_json(), "choices": [c.as_json(one) for c in cheaper.get(one.name, ())]}
            for one in items
        ],
        "together": [choice.as_json() for choice in shared],
        "per_hour": sum(known),
        "unknown": unknown,
        "not_counted": _NOT_COUNTED,
    }
    session.result(document, lines)
