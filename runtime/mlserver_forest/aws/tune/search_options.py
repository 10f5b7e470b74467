"""The options of a tuning job, beside those of its training jobs."""

from typing import Any

import click

from mlserver_forest.aws.fit.options import Check, fit_of, metric_definitions
from mlserver_forest.aws.infrastructure import parse_pairs
from mlserver_forest.aws.session import Session
from mlserver_forest.aws.tune.plan import (
    LONGEST_NAME,
    MAX_JOBS,
    Tune,
    check_objective,
    check_search,
    parse_range,
    samples_of,
)

_OPTIONS = (
    click.option(
        "-r",
        "--range",
        "ranges",
        multiple=True,
        required=True,
        metavar="NAME=LOW:HIGH[:log]|A,B,C",
        help="A range or choices; repeatable. Two whole numbers give a range of whole numbers.",
    ),
    click.option(
        "--objective",
        default="validation:log_loss",
        show_default=True,
        help="A metric; losses and errors are minimized, all others maximized.",
    ),
    click.option(
        "--strategy",
        default="Bayesian",
        show_default=True,
        type=click.Choice(["Bayesian", "Random", "Grid"]),
    ),
    click.option(
        "--max-jobs",
        type=click.IntRange(1),
        help=f"Training jobs in all; default {MAX_JOBS}, and for a grid all combinations.",
    ),
    click.option("--max-parallel", default=2, show_default=True, type=click.IntRange(1)),
    click.option("--early-stopping/--no-early-stopping", default=True),
    click.option("--seed", type=click.IntRange(0)),
)


def tuning_options(run: Any) -> Any:
    """Add the options of a search to a click command."""
    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def tune_of(
    session: Session, options: dict[str, Any], check: Check | None, *, identifies: bool = True
) -> Tune:
    """Take all options of a tuning job out of ``options``.

    The ends of all ranges and all choices are checked, with the fixed values, before AWS is called.

    Args:
        session: finds storage, role and image.
        options: from the command line.
        check: checks hyperparameters, or None.
        identifies: as in ``fit_of``.
    """
    names = ("objective", "strategy", "max_jobs", "max_parallel", "early_stopping", "seed")
    search = {name: options.pop(name) for name in names}
    ranges = tuple(parse_range(text) for text in options.pop("ranges"))
    fixed = dict(parse_pairs("-p", options["hyperparameters"]))
    check_search(search, ranges, fixed)
    check_objective(search["objective"], metric_definitions())
    if check is not None:
        for sample in samples_of(ranges, fixed):
            check(sample)
    search["max_jobs"] = search["max_jobs"] or MAX_JOBS
    fit = fit_of(session, options, None, LONGEST_NAME, identifies=identifies)
    return Tune(fit=fit, ranges=ranges, **search)
