"""``forest transform``."""

import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from mlserver_forest.aws.existing import UNKNOWN
from mlserver_forest.aws.fit.options import input_of
from mlserver_forest.aws.infrastructure import find_infrastructure, infrastructure_options
from mlserver_forest.aws.model_data import ModelData, find_model_data
from mlserver_forest.aws.prices import prices
from mlserver_forest.aws.resource_kinds import TRANSFORM
from mlserver_forest.aws.sagemaker_model import model_look_up
from mlserver_forest.aws.session import POLL, WAIT, Session, command
from mlserver_forest.aws.storage import Storage, find_storage
from mlserver_forest.aws.transform.plan import (
    Batch,
    Transform,
    find_transform_job,
    output_of,
    plan,
)

_BATCH = (
    click.option("--content-type", default=Batch.content_type, show_default=True),
    click.option("--accept", default=Batch.accept, show_default=True),
    click.option(
        "--strategy", default="MultiRecord", type=click.Choice(["MultiRecord", "SingleRecord"])
    ),
    click.option(
        "--split", default="Line", type=click.Choice(["Line", "RecordIO", "TFRecord", "None"])
    ),
    click.option("--assemble", default="", type=click.Choice(["", "Line", "None"])),
    click.option("--compression", default="", type=click.Choice(["", "Gzip"]), help="The input's."),
    click.option("--join", is_flag=True, help="Append each answer to its input."),
    click.option("--input-filter", default="", help="JSONPath, such as $[1:]."),
    click.option("--output-filter", default="", help="JSONPath, such as $[0,-1]."),
    click.option("--payload-mb", type=click.IntRange(0, 100)),
    click.option("--concurrency", type=click.IntRange(0), help="Concurrent calls per instance."),
    click.option("--timeout", type=click.IntRange(1, 3600), help="Seconds for one call."),
    click.option("--retries", type=click.IntRange(0, 3)),
)


def _batch_options(run: Any) -> Any:
    for option in reversed(_BATCH):
        run = option(run)
    return run


@command
@click.argument("model")
@click.argument("data", nargs=-1, required=True)
@_batch_options
@click.option("--instance-type", default="ml.m5.large", show_default=True)
@click.option("--instance-count", default=1, show_default=True, type=click.IntRange(1))
@click.option("--name", default="", help="The job's name; by default it has a digest.")
@click.option("--output", default="", help="The S3 prefix of the answers.")
@click.option(
    "--download", type=click.Path(file_okay=False, path_type=Path), help="A local folder."
)
@infrastructure_options
@click.option("--again", is_flag=True, help="Create another job even if the same one exists.")
@WAIT
@POLL
def transform(
    session: Session,
    model: str,
    data: tuple[str, ...],
    again: bool,
    wait: bool,
    poll: float,
    download: Path | None,
    **options: Any,
) -> None:
    """Predict DATA (files, folders, or one S3 URI) with MODEL in a batch job.

    MODEL is a model in SageMaker, a training job, s3://.../model.tar.gz, a model directory or a
    .tar.gz.
    """
    existing = session.existing
    with tempfile.TemporaryDirectory(prefix="forest-transform-") as folder:
        wanted = _transform_of(session, model, data, options, Path(folder))
        session.say(prices().describe(wanted.instance_type, wanted.instance_count))
        job = find_transform_job(wanted, existing, again=again)
        answers = session.carry_out(plan(wanted, job, existing, poll if wait else None, download))
    if answers is None:
        return
    if not wait:
        stays = f"the model remains: forest delete {wanted.model_name}"
        session.result({TRANSFORM.name: job.name}, [TRANSFORM.goes_on(job.name), stays])
        return
    output, written = output_of(job), answers[-1].get("Paths", [])
    document = {TRANSFORM.name: job.name, "Output": output, "Downloaded": written}
    session.result(document, [f"answers: {output}", *(f"downloaded {path}" for path in written)])


def _transform_of(
    session: Session, model: str, data: tuple[str, ...], options: dict[str, Any], folder: Path
) -> Transform:
    batch = Batch(**{one.name: options.pop(one.name) for one in fields(Batch)})
    found = input_of("transform", data)
    region = session.aws.region
    storage = find_storage(session.existing, region, options.pop("bucket"))
    infrastructure = find_infrastructure(session.existing, region, options)
    named, artifact = _model(session, storage, model, folder)
    return Transform(
        storage=storage,
        infrastructure=infrastructure,
        batch=batch,
        data=found,
        model=named,
        artifact=artifact,
        **options,
    )


def _model(
    session: Session, storage: Storage, model: str, folder: Path
) -> tuple[str, ModelData | None]:
    """The name of a model in SageMaker, or the artifact from which one is created."""
    if not model.startswith("s3://") and not Path(model).exists():
        found = session.existing.find(model_look_up(model))
        if found is not None and found is not UNKNOWN:
            return model, None
    return "", find_model_data(session.existing, storage, model, folder, session.say)
