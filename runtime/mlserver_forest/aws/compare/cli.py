"""``forest compare``."""

import click

from mlserver_forest.aws.compare.plan import check_variants, find_compared, plan, since_of
from mlserver_forest.aws.session import Session, command


@command
@click.argument("endpoint")
@click.option(
    "--since", default="1d", show_default=True, metavar="TIME", help="Such as 30m, 6h or 7d."
)
@click.option("--capture-uri", default="", help="An S3 prefix; by default the endpoint's own.")
def compare(session: Session, endpoint: str, since: str, capture_uri: str) -> None:
    """Compare the variants of ENDPOINT: latency, errors, and differing answers.

    Latency and errors are CloudWatch's, and the answers are those that the endpoint captured
    (forest deploy --capture). Requests that a production and a shadow variant both answered are
    compared row by row, all others as distributions.
    """
    found = find_compared(session.existing, endpoint, since_of(since), capture_uri)
    check_variants(found)
    answers = session.carry_out(plan(found))
    if answers is None:
        return
    # Reading answers takes numpy, which forest --help does not load.
    from mlserver_forest.aws.compare.comparison_text import comparison_lines
    from mlserver_forest.aws.compare.run import compare_variants

    comparison = compare_variants(found, answers)
    session.result(comparison.as_json(), comparison_lines(comparison))
