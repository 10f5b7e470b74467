"""``forest invoke``."""

import base64
import sys
from pathlib import Path
from typing import Any

import click

from mlserver_forest.aws.combinations import check_combinations, given_options
from mlserver_forest.aws.finite_number import FiniteNumber
from mlserver_forest.aws.invoke.plan import (
    Invoke,
    check_file,
    media_type_of,
    plan,
    plan_asynchronous,
    upload_input,
)
from mlserver_forest.aws.local_files import local_file
from mlserver_forest.aws.session import Session, command
from mlserver_forest.aws.step import Answer, Plan
from mlserver_forest.aws.storage import find_storage
from mlserver_forest.errors import DeploymentError


@command
@click.argument("endpoint")
@click.argument("file")
@click.option(
    "--content-type", default="", help="The media type; by default that of the extension."
)
@click.option("--accept", default="", help="The media type of the answer.")
@click.option("--target-model", default="", help="A model of a multi-model endpoint.")
@click.option("--variant", default="", help="A production variant.")
@click.option("--attributes", default="", help="Custom attributes, such as outputs=...")
@click.option("--inference-id", default="", help="An id that is stored with captured data.")
@click.option("--async", "asynchronous", is_flag=True, help="Send through S3, and wait.")
@click.option("--bucket", default="", help="The bucket for a local FILE (--async).")
@click.option("--kms-key", default="", help="A key for a local FILE in the bucket (--async).")
@click.option("--timeout", default=3600.0, show_default=True, help="Seconds (--async).")
@click.option(
    "--poll",
    default=2.0,
    show_default=True,
    type=FiniteNumber(0.05),
    help="Seconds between checks (--async).",
)
@click.option("--out", default="-", help="The file for the answer; by default standard output.")
def invoke(session: Session, endpoint: str, file: str, out: str, **options: Any) -> None:
    """Send FILE (- for standard input) to ENDPOINT and print the answer unchanged."""
    given = given_options()
    check_combinations("invoke", given)
    is_in_s3 = file.startswith("s3://")
    if is_in_s3 and not options["asynchronous"]:
        raise DeploymentError(f"{file}: an S3 URI requires --async; expected a local file")
    if is_in_s3 and (unused := sorted(given & {"--bucket", "--kms-key"})):
        raise DeploymentError(f"{file} is in S3 already; leave out {', '.join(unused)}")
    content_type = options["content_type"] or media_type_of(file)
    if not is_in_s3:
        check_file(file, is_uploaded=options["asynchronous"])
    names = ("accept", "target_model", "variant", "attributes", "inference_id")
    wanted = Invoke(endpoint, content_type, **{name: options[name] for name in names})
    if options["asynchronous"]:
        steps = _asynchronous(session, wanted, file, options)
    else:
        steps = plan(wanted, file)
    answers = session.carry_out(steps)
    if answers is None:
        return
    answer = answers[-1]
    if out != "-":
        Path(out).write_bytes(answer["Body"])
    if session.is_json:
        session.result({"EndpointName": endpoint, **_document(answer, out)}, ())
    elif out == "-":
        sys.stdout.buffer.write(answer["Body"])
        sys.stdout.buffer.flush()


def _asynchronous(session: Session, wanted: Invoke, file: str, options: dict[str, Any]) -> Plan:
    uri: str = file
    uploads: Plan = ()
    if not file.startswith("s3://"):
        found = local_file(Path(file), Path(file).name)
        storage = find_storage(session.existing, session.aws.region, options["bucket"])
        uri, uploads = upload_input(found, storage, session.existing, options["kms_key"])
    return (*uploads, *plan_asynchronous(wanted, uri, options["poll"], options["timeout"]))


def _document(answer: Answer, out: str) -> dict[str, Any]:
    """The answer for --json: its text, or in Base64 if it is not text, or where it was written."""
    kept = ("ContentType", "InvokedProductionVariant", "CustomAttributes")
    document = {name: answer[name] for name in kept if answer.get(name)}
    if out != "-":
        return {**document, "File": out}
    try:
        return {**document, "Body": answer["Body"].decode()}
    except UnicodeDecodeError:
        return {**document, "BodyBase64": base64.b64encode(answer["Body"]).decode()}
