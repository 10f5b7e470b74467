"""``forest tune``."""

from collections.abc import Mapping
from typing import Any

import click

from mlserver_forest.aws.combinations import check_combinations, given_options
from mlserver_forest.aws.fit.options import training_options
from mlserver_forest.aws.fit.plan import plan
from mlserver_forest.aws.infrastructure import infrastructure_options
from mlserver_forest.aws.prices import prices
from mlserver_forest.aws.resource_kinds import TUNING
from mlserver_forest.aws.session import POLL, WAIT, Session, command
from mlserver_forest.aws.tune.plan import find_tuning_job
from mlserver_forest.aws.tune.search_options import tune_of, tuning_options


@command
@training_options
@tuning_options
@infrastructure_options
@WAIT
@POLL
def tune(session: Session, wait: bool, poll: float, **options: Any) -> None:
    """Search for hyperparameters: training jobs on DATA over the ranges given by -r."""
    check_combinations("tune", given_options())
    wanted = tune_of(session, options, click.get_current_context().obj)
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
