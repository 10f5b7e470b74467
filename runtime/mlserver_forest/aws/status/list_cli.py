"""``forest list``."""

import click

from mlserver_forest.aws.session import Session, command
from mlserver_forest.aws.steps import Call

_WHAT = (
    "ListEndpoints",
    "ListTrainingJobs",
    "ListHyperParameterTuningJobs",
    "ListTransformJobs",
    "ListEndpointConfigs",
    "ListModels",
)


@command
@click.option("--any", "foreign", is_flag=True, help="Also what this tool did not make.")
@click.option(
    "--jobs", default=20, show_default=True, type=click.IntRange(1, 100), help="Of each kind."
)
def list_(session: Session, foreign: bool, jobs: int) -> None:
    """What exists because of this tool (by its tags), where it stands and what it costs."""
    if session.dry_run:
        session.show([Call("sagemaker", operation, {}) for operation in _WHAT])
        return
    from mlserver_forest.aws.status.describe import list_all

    found = list(list_all(session.aws, foreign=foreign, most_jobs=jobs))
    lines = ["  ".join(str(one[key]) for key in _COLUMNS if one[key]) for one in found]
    nothing = ["nothing" if foreign else "nothing made by this tool; --any shows all"]
    session.result({"found": found}, lines or nothing)


_COLUMNS = ("kind", "name", "status", "cost")
