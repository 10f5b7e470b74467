"""``forest tune``."""

from collections.abc import Mapping
from typing import Any

import click

from mlserver_forest.aws.fit.options import Check, fit_of, metric_definitions, training_options
from mlserver_forest.aws.fit.plan import plan
from mlserver_forest.aws.infrastructure import infrastructure_options, parse_pairs
from mlserver_forest.aws.prices import prices
from mlserver_forest.aws.resource_kinds import TUNING
from mlserver_forest.aws.session import POLL, WAIT, Session, command
from mlserver_forest.aws.tune.plan import (
    LONGEST_NAME,
    MAX_JOBS,
    Tune,
    check_objective,
    check_search,
    find_tuning_job,
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


def _tuning_options(run: Any) -> Any:
    for option in reversed(_OPTIONS):
        run = option(run)
    return run


@command
@training_options
@_tuning_options
@infrastructure_options
@WAIT
@POLL
def tune(session: Session, wait: bool, poll: float, **options: Any) -> None:
    """Search for hyperparameters: training jobs on DATA over the ranges given by -r."""
    wanted = _tune_of(session, options, click.get_current_context().obj)
    machines = wanted.fit.machines
    count = machines.instance_count * wanted.max_parallel
    session.say(prices().describe(machines.instance_type, count))
    for note in wanted.fit.infrastructure.notes(machines.instance_type):
        session.say(note)
    job = find_tuning_job(wanted, session.existing)
    session.say_all(job.notes)
    answers = session.carry_out(plan(wanted.fit, job, session.existing, poll if wait else None))
    if answers is None:
        return
    if not wait:
        session.result({TUNING.name: job.name}, [TUNING.goes_on(job.name)])
        return
    _show_best(session, job.name, answers[-1].get("BestTrainingJob", {}))


def _tune_of(session: Session, options: dict[str, Any], check: Check | None) -> Tune:
    """Check the ends of all ranges and all choices, with the fixed values, before AWS is called."""
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
    return Tune(fit=fit_of(session, options, None, LONGEST_NAME), ranges=ranges, **search)


def _show_best(session: Session, name: str, best: Mapping[str, Any]) -> None:
    metric = dict(best.get("FinalHyperParameterTuningJobObjectiveMetric", {}))
    if metric:
        metric["Value"] = float(metric["Value"])
    tuned = best.get("TunedHyperParameters", {})
    document = {
        TUNING.name: name,
        "BestTrainingJob": best.get("TrainingJobName"),
        "HyperParameters": tuned,
        "Objective": metric,
    }
    tuned_options = " ".join(f"-p {key}={value}" for key, value in tuned.items())
    lines = [f"best job: {best.get('TrainingJobName', 'none')} {tuned_options}".rstrip()]
    if metric:
        lines.append(f"{metric['MetricName']}={metric['Value']:.6g}")
    session.result(document, lines)
