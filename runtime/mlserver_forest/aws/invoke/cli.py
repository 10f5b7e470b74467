"""``forest invoke``."""

import sys
from pathlib import Path
from typing import Any

import click

from mlserver_forest.aws.invoke.plan import Invoke, media_type_of, plan, plan_asynchronous
from mlserver_forest.aws.place import Place
from mlserver_forest.aws.resource_options import place_of
from mlserver_forest.aws.session import Session, command
from mlserver_forest.aws.steps import Step
from mlserver_forest.errors import DeploymentError


@command
@click.argument("endpoint")
@click.argument("file")
@click.option("--content-type", default="", help="By default what the file's name tells.")
@click.option("--accept", default="", help="Of the answer, such as application/json.")
@click.option("--target-model", default="", help="Of a multi-model endpoint: a.tar.gz.")
@click.option("--variant", default="", help="Of the endpoint.")
@click.option("--attributes", default="", help="Custom attributes, such as outputs=...")
@click.option("--inference-id", default="", help="Is kept beside captured data.")
@click.option("--async", "asynchronous", is_flag=True, help="By way of S3; waits for the answer.")
@click.option("--bucket", default="", help="Where --async puts a local FILE.")
@click.option("--timeout", default=3600.0, show_default=True, help="Seconds, with --async.")
@click.option(
    "--poll",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0.05),
    help="Seconds between looks (--async).",
)
@click.option("--out", default="-", help="File for the answer; by default standard output.")
def invoke(session: Session, endpoint: str, file: str, out: str, **options: Any) -> None:
    """Ask ENDPOINT about FILE (- for standard input) and print the answer as it comes."""
    content_type = options["content_type"] or media_type_of(file)
    names = ("accept", "target_model", "variant", "attributes", "inference_id")
    wanted = Invoke(endpoint, content_type, **{name: options[name] for name in names})
    if options["asynchronous"]:
        answer = _asynchronously(session, wanted, file, options)
    else:
        answer = _at_once(session, wanted, file)
    if answer is not None:
        _write(out, answer)


def _at_once(session: Session, wanted: Invoke, file: str) -> bytes | None:
    if file.startswith("s3://"):
        raise DeploymentError(f"{file}: an S3 URI is for --async alone; expected a local file")
    if session.dry_run:
        session.show([Step(plan(wanted), file=file)])
        return None
    from mlserver_forest.aws.invoke.run import invoke as ask

    body = sys.stdin.buffer.read() if file == "-" else _read(file)
    return ask(session.aws, wanted, body)


def _asynchronously(
    session: Session, wanted: Invoke, file: str, options: dict[str, Any]
) -> bytes | None:
    plan_asynchronous(wanted, "")
    uri, steps = _input(session, file, options["bucket"])
    if session.dry_run:
        session.show([*steps, plan_asynchronous(wanted, uri)])
        return None
    from mlserver_forest.aws.executor import Executor
    from mlserver_forest.aws.invoke.run import invoke_asynchronously

    executor = Executor(session.aws, session.say, session.bar)
    executor.run(steps)
    return invoke_asynchronously(
        executor, wanted, uri, session.say, options["poll"], options["timeout"]
    )


def _input(session: Session, file: str, bucket: str) -> tuple[str, tuple[Step, ...]]:
    """The S3 URI, and how a local file gets there."""
    if file.startswith("s3://"):
        return file, ()
    from mlserver_forest.aws.local_files import local_file
    from mlserver_forest.aws.place import bucket_steps
    from mlserver_forest.aws.upload_plan import upload_step

    place: Place = place_of(session, bucket)
    found = local_file(Path(file), Path(file).name)
    key = place.key("data", "invoke", found.sha256[:16], found.name)
    steps = (*bucket_steps(place), upload_step(place.bucket, key, found))
    return f"s3://{place.bucket}/{key}", steps


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise DeploymentError(f"{file}: {error.strerror}") from error


def _write(out: str, answer: bytes) -> None:
    if out != "-":
        Path(out).write_bytes(answer)
        return
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
