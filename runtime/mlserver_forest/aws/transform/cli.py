"""``forest transform``."""

import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from mlserver_forest.aws.deploy.plan import Artifact
from mlserver_forest.aws.job_options import POLL, WAIT
from mlserver_forest.aws.place import Place
from mlserver_forest.aws.resource_options import infrastructure, place_of, shared_of
from mlserver_forest.aws.session import Session, command
from mlserver_forest.aws.steps import Call
from mlserver_forest.aws.transform.plan import Batch, Transform, model_name, plan

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
    click.option(
        "--compression", default="", type=click.Choice(["", "Gzip"]), help="Of the input."
    ),
    click.option("--join", is_flag=True, help="Each answer behind its input."),
    click.option("--input-filter", default="", help="JSONPath, such as $[1:]."),
    click.option("--output-filter", default="", help="JSONPath, such as $[0,-1]."),
    click.option("--payload-mb", type=click.IntRange(0, 100)),
    click.option("--concurrency", type=click.IntRange(0), help="Calls at a time, per instance."),
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
@click.option("--name", default="", help="Of the job; by default one that the request decides.")
@click.option("--output", default="", help="S3 prefix of the answers.")
@click.option("--download", type=click.Path(file_okay=False, path_type=Path), help="A folder.")
@infrastructure
@click.option("--again", is_flag=True, help="A new job, even if the same one is there.")
@WAIT
@POLL
def transform(session: Session, model: str, data: tuple[str, ...], **options: Any) -> None:
    """Answer all of DATA (files, folders, or one S3 URI) by MODEL, in a batch job.

    MODEL is a model in SageMaker, a training job, s3://.../model.tar.gz, a model directory or a
    .tar.gz.
    """
    with tempfile.TemporaryDirectory(prefix="forest-transform-") as folder:
        again, wait, poll, download = (
            options.pop(name) for name in ("again", "wait", "poll", "download")
        )
        wanted = _transform_of(session, model, data, options, Path(folder))
        if session.dry_run:
            session.show(plan(wanted))
            return
        name = _start(session, wanted, again)
    _finish(session, wanted, name, wait, poll, download)


def _transform_of(
    session: Session, model: str, data: tuple[str, ...], options: dict[str, Any], folder: Path
) -> Transform:
    from mlserver_forest.aws.job_options import input_of

    batch = Batch(**{one.name: options.pop(one.name) for one in fields(Batch)})
    found = input_of("transform", data)
    place = place_of(session, options.pop("bucket"))
    shared = shared_of(session, place, options)
    named, artifact = _model(session, place, model, folder)
    return Transform(
        place=place,
        shared=shared,
        batch=batch,
        model=named,
        artifact=artifact,
        uri=found.uri,
        files=found.files,
        **options,
    )


def _model(session: Session, place: Place, model: str, folder: Path) -> tuple[str, Artifact | None]:
    """A name that SageMaker has a model of, or what one is made from."""
    from mlserver_forest.aws.find_artifact import find_artifact

    is_name = not model.startswith("s3://") and not Path(model).exists()
    look_up = Call("sagemaker", "DescribeModel", {"ModelName": model})
    if is_name and not session.dry_run and session.aws.find(look_up):
        return model, None
    return "", find_artifact(None if session.dry_run else session.aws, place, model, folder)


def _start(session: Session, wanted: Transform, again: bool) -> str:
    from mlserver_forest.aws.executor import Executor
    from mlserver_forest.aws.prices import prices
    from mlserver_forest.aws.start_job import start
    from mlserver_forest.aws.waiter import TRANSFORM

    session.say(prices().in_words(wanted.instance_type, wanted.instance_count))
    executor = Executor(session.aws, session.say, session.bar)
    return start(executor, TRANSFORM, lambda n: plan(replace(wanted, attempt=n)), again=again)


def _finish(
    session: Session, wanted: Transform, name: str, wait: bool, poll: float, download: Path | None
) -> None:
    from mlserver_forest.aws import waiter
    from mlserver_forest.aws.invoke.run import download as fetch

    kind = waiter.TRANSFORM
    if not wait:
        stays = f"the model stays: forest delete {model_name(wanted)}"
        session.result({kind.name: name}, [waiter.goes_on(kind, name), stays])
        return
    found = waiter.wait(session.aws, kind, name, session.say, poll)
    if wanted.artifact:
        _delete_model(session, found["ModelName"])
    waiter.checked(session.aws, kind, name, found)
    output = found["TransformOutput"]["S3OutputPath"]
    written = fetch(session.aws, output, download, session.bar) if download else []
    document = {kind.name: name, "Output": output, "Downloaded": written}
    session.result(document, [f"answers: {output}", *(f"downloaded {path}" for path in written)])


def _delete_model(session: Session, model: str) -> None:
    """What was made for the job alone goes with it; the artifact in S3 stays."""
    from mlserver_forest.aws.client import Refused

    try:
        if session.aws.find(Call("sagemaker", "DeleteModel", {"ModelName": model})) is not None:
            session.say(f"deleted model {model}, which was made for this job")
    except Refused as error:
        session.say(f"model {model} stays (forest delete {model}): {error}")
