"""``forest tune``."""

from typing import Any

import click

from mlserver_forest.aws.job_options import POLL, WAIT, Check, fit_of, job_options
from mlserver_forest.aws.resource_options import infrastructure, pairs
from mlserver_forest.aws.session import Session, command
from mlserver_forest.aws.tune.plan import Tune, parse_range, plan, samples_of

_OPTIONS = (
    click.option(
        "-r",
        "--range",
        "ranges",
        multiple=True,
        required=True,
        metavar="NAME=LOW:HIGH[:log]|A,B,C",
        help="A range or choices; repeatable. Whole numbers make a range of whole numbers.",
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
    click.option("--max-jobs", default=20, show_default=True, type=click.IntRange(1)),
    click.option("--max-parallel", default=2, show_default=True, type=click.IntRange(1)),
    click.option("--early-stopping/--no-early-stopping", default=True),
    click.option("--seed", type=click.IntRange(0)),
)


def _tuning_options(run: Any) -> Any:
    for option in reversed(_OPTIONS):
        run = option(run)
    return run


@command
@job_options
@_tuning_options
@infrastructure
@WAIT
@POLL
def tune(session: Session, wait: bool, poll: float, **options: Any) -> None:
    """Search for hyperparameters: training jobs on DATA over the ranges given by -r."""
    check = click.get_current_context().obj
    wanted = _tune_of(session, options, check)
    if session.dry_run:
        session.show(plan(wanted))
        return
    from mlserver_forest.aws.executor import Executor
    from mlserver_forest.aws.prices import prices
    from mlserver_forest.aws.start_job import start
    from mlserver_forest.aws.waiter import TUNING, goes_on

    machines = wanted.fit.machines
    count = machines.instance_count * wanted.max_parallel
    session.say(prices().in_words(machines.instance_type, count))
    executor = Executor(session.aws, session.say, session.bar)
    name = start(executor, TUNING, lambda _: plan(wanted))
    if not wait:
        session.result({"HyperParameterTuningJobName": name}, [goes_on(TUNING, name)])
        return
    _follow(session, name, poll)


def _tune_of(session: Session, options: dict[str, Any], check: Check | None) -> Tune:
    """Every range's ends and every choice are checked, with what is fixed, before AWS is asked."""
    names = ("objective", "strategy", "max_jobs", "max_parallel", "early_stopping", "seed")
    search = {name: options.pop(name) for name in names}
    ranges = tuple(parse_range(text) for text in options.pop("ranges"))
    if check is not None:
        for sample in samples_of(ranges, dict(pairs("-p", options["hyperparameters"]))):
            check(sample)
    return Tune(fit=fit_of(session, options, None), ranges=ranges, **search)


def _follow(session: Session, name: str, poll: float) -> None:
    from mlserver_forest.aws import waiter

    kind = waiter.TUNING
    found = waiter.wait(session.aws, kind, name, session.say, poll)
    waiter.checked(session.aws, kind, name, found)
    best = found.get("BestTrainingJob", {})
    metric = best.get("FinalHyperParameterTuningJobObjectiveMetric", {})
    document = {
        kind.name: name,
        "BestTrainingJob": best.get("TrainingJobName"),
        "HyperParameters": best.get("TunedHyperParameters", {}),
        "Objective": metric,
    }
    tuned = " ".join(f"-p {key}={value}" for key, value in document["HyperParameters"].items())
    lines = [f"best job: {best.get('TrainingJobName', 'none')} {tuned}".rstrip()]
    if metric:
        lines.append(f"{metric['MetricName']}={metric['Value']:.6g}")
    session.result(document, lines)
