"""``forest transform``."""

import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from mlserver_forest.aws.combinations import check_combinations, given_options
from mlserver_forest.aws.existing import UNKNOWN
from mlserver_forest.aws.fit.options import identified, input_of
from mlserver_forest.aws.infrastructure import find_infrastructure, infrastructure_options
from mlserver_forest.aws.model_data import ModelData, find_model_data
from mlserver_forest.aws.model_group import resolve_version
from mlserver_forest.aws.naming import checked_name
from mlserver_forest.aws.prices import prices
from mlserver_forest.aws.resource_kinds import TRAINING, TRANSFORM
from mlserver_forest.aws.sagemaker_model import model_identity, model_look_up
from mlserver_forest.aws.session import POLL, WAIT, Session, command
from mlserver_forest.aws.step import Answer
from mlserver_forest.aws.storage import find_storage
from mlserver_forest.aws.transform.plan import (
    Batch,
    Transform,
    check_batch,
    check_output,
    find_transform_job,
    header_warning,
    model_of,
    output_of,
    plan,
)
from mlserver_forest.errors import DeploymentError

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

    MODEL is a model in SageMaker, a training job, s3://.../model.tar.gz, a model directory, a
    .tar.gz, the ARN of a model package or GROUP@approved.
    """
    check_combinations("transform", given_options())
    if download and not wait:
        raise DeploymentError(
            "--download needs the answers, which --no-wait does not wait for; leave one of them "
            "out (the same command without --no-wait downloads them later)"
        )
    existing = session.existing
    with tempfile.TemporaryDirectory(prefix="forest-transform-") as folder:
        wanted = _transform_of(session, model, data, options, Path(folder))
        session.say(prices().describe(wanted.instance_type, wanted.instance_count))
        for note in wanted.infrastructure.notes(wanted.instance_type):
            session.say(note)
        job = find_transform_job(wanted, existing, again=again)
        session.say_all(job.notes)
        answers = session.carry_out(plan(wanted, job, existing, poll if wait else None, download))
    if answers is None:
        return
    if not wait:
        stays = f"the model remains: forest delete {model_of(job)}"
        lines = [TRANSFORM.goes_on(job.name), *([stays] if wanted.artifact else [])]
        session.result({TRANSFORM.name: job.name}, lines)
        return
    output, written = output_of(job), answers[-1].get("Paths", [])
    document = {TRANSFORM.name: job.name, "Output": output, "Downloaded": written}
    session.result(document, [f"answers: {output}", *(f"downloaded {path}" for path in written)])


def _transform_of(
    session: Session, model: str, data: tuple[str, ...], options: dict[str, Any], folder: Path
) -> Transform:
    batch = Batch(**{one.name: options.pop(one.name) for one in fields(Batch)})
    check_batch(batch)
    if warning := header_warning(batch):
        session.say(warning)
    found = input_of("transform", data)
    check_output(found, options["output"])
    if options["name"]:
        checked_name(options["name"])
    given = [name for name in _OF_A_MODEL if options[name]]
    region = session.aws.region
    storage = find_storage(session.existing, region, options.pop("bucket"))
    model = resolve_version(session.existing, model, region, session.say)
    is_package = model.startswith("arn:")
    ModelData(model).check_own_image(given_options())
    there = _model_in_sagemaker(session, model)
    if not there and "image" not in given:
        # The image that was pushed last may be another than the one that wrote the model.
        options["image"] = _image_of_job(session, model)
    infrastructure = find_infrastructure(
        session.existing,
        region,
        options,
        options["instance_type"],
        needs_image=not is_package,
    )
    if there and given:
        names = ", ".join("--" + _OF_A_MODEL[name] for name in given)
        raise DeploymentError(
            f"{names}: model {model} is in SageMaker already, and has that of its own; leave it "
            "out, or give the training job or the model.tar.gz"
        )
    artifact = (
        None if there else find_model_data(session.existing, storage, model, folder, session.say)
    )
    if artifact and artifact.image == infrastructure.image:
        artifact.check_image(options["instance_type"])
    return Transform(
        storage=storage,
        infrastructure=infrastructure,
        batch=batch,
        data=identified(session, found),
        model=model if there else "",
        model_identity=model_identity(session.existing, there, session.say) if there else "",
        artifact=artifact,
        **options,
    )


# The options of a model that is created for the job, by the names of their parameters.
_OF_A_MODEL = {
    "image": "image",
    "subnets": "subnet",
    "security_groups": "security-group",
    "isolated": "network-isolation",
}


def _image_of_job(session: Session, model: str) -> str:
    """The image of the training job of this name; empty if there is no such job."""
    if model.startswith(("s3://", "arn:")) or Path(model).exists():
        return ""
    found = session.existing.find(TRAINING.look_up(model))
    if found is None or found is UNKNOWN:
        return ""
    return str(found.get("AlgorithmSpecification", {}).get("TrainingImage", ""))


def _model_in_sagemaker(session: Session, model: str) -> Answer | None:
    """The description of the model in SageMaker of this name, if there is one."""
    if model.startswith(("s3://", "arn:")) or Path(model).exists():
        return None
    found = session.existing.find(model_look_up(model))
    return None if found is UNKNOWN else found
