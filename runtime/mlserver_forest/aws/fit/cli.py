"""``forest fit``."""

from typing import Any

import click

from mlserver_forest.aws.combinations import check_combinations, given_options
from mlserver_forest.aws.fit.options import fit_of, training_options
from mlserver_forest.aws.fit.plan import find_training_job, plan
from mlserver_forest.aws.infrastructure import infrastructure_options
from mlserver_forest.aws.prices import prices
from mlserver_forest.aws.resource_kinds import TRAINING, metrics_of
from mlserver_forest.aws.session import POLL, WAIT, Session, command


@command
@training_options
@infrastructure_options
@click.option("--again", is_flag=True, help="Create another job even if the same one exists.")
@WAIT
@POLL
def fit(session: Session, again: bool, wait: bool, poll: float, **options: Any) -> None:
    """Train in SageMaker on DATA: files, folders (uploaded first) or one S3 URI.

    The same command finds the job that it created before. Ctrl-C leaves the job running.
    """
    check_combinations("fit", given_options())
    wanted = fit_of(session, options, click.get_current_context().obj)
    session.say(prices().describe(wanted.machines.instance_type, wanted.machines.instance_count))
    for note in wanted.infrastructure.notes(wanted.machines.instance_type):
        session.say(note)
    job = find_training_job(wanted, session.existing, again=again)
    session.say_all(job.notes)
    answers = session.carry_out(plan(wanted, job, session.existing, poll if wait else None))
    if answers is None:
        return
    if not wait:
        session.result({"TrainingJobName": job.name}, [TRAINING.goes_on(job.name)])
        return
    found = answers[-1]
    model = found["ModelArtifacts"]["S3ModelArtifacts"]
    document = {"TrainingJobName": job.name, "Model": model, "Metrics": metrics_of(found)}
    deploy = f"deploy it: forest deploy {job.name} --role ROLE"
    session.result(document, [f"model: {model}", deploy])
