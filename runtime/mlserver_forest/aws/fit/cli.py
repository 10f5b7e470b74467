"""``forest fit``."""

from dataclasses import replace
from typing import Any

import click

from mlserver_forest.aws.job_options import POLL, WAIT, fit_of, job_options
from mlserver_forest.aws.resource_options import infrastructure
from mlserver_forest.aws.session import Session, command


@command
@job_options
@infrastructure
@click.option("--again", is_flag=True, help="A new job, even if the same one is there.")
@WAIT
@POLL
def fit(session: Session, again: bool, wait: bool, poll: float, **options: Any) -> None:
    """Train in SageMaker on DATA: files, folders (uploaded first) or one S3 URI.

    The same command finds the job that it made before. Ctrl-C leaves the job running.
    """
    from mlserver_forest.aws.fit.plan import plan

    wanted = fit_of(session, options, click.get_current_context().obj)
    if session.dry_run:
        session.show(plan(wanted))
        return
    from mlserver_forest.aws.executor import Executor
    from mlserver_forest.aws.prices import prices
    from mlserver_forest.aws.start_job import start
    from mlserver_forest.aws.waiter import TRAINING, goes_on

    machines = wanted.machines
    session.say(prices().in_words(machines.instance_type, machines.instance_count))
    executor = Executor(session.aws, session.say, session.bar)
    name = start(executor, TRAINING, lambda n: plan(replace(wanted, attempt=n)), again=again)
    if not wait:
        session.result({"TrainingJobName": name}, [goes_on(TRAINING, name)])
        return
    _follow(session, name, poll)


def _follow(session: Session, name: str, poll: float) -> None:
    from mlserver_forest.aws import waiter

    kind = waiter.TRAINING
    found = waiter.wait(session.aws, kind, name, session.say, poll)
    waiter.checked(session.aws, kind, name, found)
    model = found["ModelArtifacts"]["S3ModelArtifacts"]
    metrics = {one["MetricName"]: one["Value"] for one in found.get("FinalMetricDataList", [])}
    document = {"TrainingJobName": name, "Model": model, "Metrics": metrics}
    session.result(document, [f"model: {model}", f"deploy it: forest deploy {name} --role ROLE"])
