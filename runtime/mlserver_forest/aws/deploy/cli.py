"""``forest deploy``."""

import tempfile
from pathlib import Path
from typing import Any

import click

from mlserver_forest.aws.deploy.endpoint_config import Async, Capture, Serverless, Traffic, Variant
from mlserver_forest.aws.deploy.plan import Deploy, check_options, plan, update_question
from mlserver_forest.aws.infrastructure import find_infrastructure, infrastructure_options
from mlserver_forest.aws.model_data import ModelData, find_many_models, find_model_data
from mlserver_forest.aws.naming import checked_name
from mlserver_forest.aws.prices import prices
from mlserver_forest.aws.resource_kinds import ENDPOINT
from mlserver_forest.aws.session import POLL, Session, command
from mlserver_forest.aws.storage import Storage, find_storage
from mlserver_forest.errors import DeploymentError

_VARIANT = (
    click.option("--instance-type", default="ml.m5.large", show_default=True),
    click.option("--instance-count", default=1, show_default=True, type=click.IntRange(1)),
    click.option("--volume-gb", type=click.IntRange(1, 512)),
    click.option("--startup-timeout", type=click.IntRange(60, 3600), help="Seconds until healthy."),
    click.option("--download-timeout", type=click.IntRange(60, 3600), help="Seconds."),
    click.option("--autoscale", default="", metavar="LEAST:MOST", help="Instances."),
    click.option(
        "--autoscale-target",
        default=1000.0,
        show_default=True,
        help="The target of calls per instance and minute; with --async, of waiting calls.",
    ),
)
_KINDS = (
    click.option("--serverless", is_flag=True, help="A serverless endpoint."),
    click.option(
        "--memory-mb", default="2048", type=click.Choice([str(n * 1024) for n in range(1, 7)])
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 1000),
        help="Concurrent calls; default 5 (serverless).",
    ),
    click.option(
        "--provisioned", type=click.IntRange(1, 200), help="Warm concurrency (serverless)."
    ),
    click.option("--async", "asynchronous", is_flag=True, help="Write answers to S3."),
    click.option("--async-output", default="", help="An S3 prefix."),
    click.option("--success-topic", default="", help="ARN of an SNS topic (async)."),
    click.option("--error-topic", default="", help="ARN of an SNS topic (async)."),
    click.option("--multi-model", is_flag=True, help="MODEL is a folder or prefix of models."),
    click.option("--no-model-cache", is_flag=True, help="Unload after each call (multi-model)."),
)
_UPDATES = (
    click.option("--capture", is_flag=True, help="Keep requests and answers in S3."),
    click.option("--capture-uri", default="", help="An S3 prefix."),
    click.option("--capture-percent", default=100, type=click.IntRange(0, 100)),
    click.option(
        "--traffic",
        default="all-at-once",
        show_default=True,
        type=click.Choice(["all-at-once", "canary", "linear"]),
        help="How an update moves the traffic.",
    ),
    click.option("--traffic-percent", default=10, show_default=True, type=click.IntRange(1, 50)),
    click.option("--traffic-wait", default=0, type=click.IntRange(0, 3600), help="Seconds."),
    click.option("--alarm", "alarms", multiple=True, help="An alarm that rolls back."),
)


def _endpoint_options(run: Any) -> Any:
    for option in reversed((*_VARIANT, *_KINDS, *_UPDATES)):
        run = option(run)
    return run


@command
@click.argument("model")
@click.option("--name", "endpoint", default="forest", show_default=True, help="Its name.")
@_endpoint_options
@infrastructure_options
@click.option("--wait/--no-wait", default=True, help="Wait until it is in service.")
@POLL
def deploy(
    session: Session, model: str, endpoint: str, wait: bool, poll: float, **options: Any
) -> None:
    """Serve MODEL: a training job, s3://.../model.tar.gz, a model directory or a .tar.gz.

    An existing endpoint is updated in place; forest rollback undoes the update.
    """
    checked_name(endpoint, 52)
    region = session.aws.region
    storage = find_storage(session.existing, region, options.pop("bucket"))
    infrastructure = find_infrastructure(session.existing, region, options)
    scaling = _autoscaling(options.pop("autoscale"), options.pop("autoscale_target"))
    if scaling and not wait:
        raise DeploymentError("--autoscale needs an endpoint in service; leave out --no-wait")
    with tempfile.TemporaryDirectory(prefix="forest-deploy-") as folder:
        several = endpoint if options["multi_model"] else ""
        wanted = Deploy(
            storage=storage,
            infrastructure=infrastructure,
            endpoint=endpoint,
            artifact=_artifact(session, storage, model, several, Path(folder)),
            autoscaling=scaling,
            **_parts(storage, endpoint, options),
        )
        _deploy(session, wanted, poll if wait else None)


def _deploy(session: Session, wanted: Deploy, poll: float | None) -> None:
    check_options(wanted)
    session.say(_cost(wanted))
    if question := update_question(wanted, session.existing):
        session.confirm(question)
    answers = session.carry_out(plan(wanted, session.existing, poll))
    if answers is None:
        return
    name = wanted.endpoint
    if poll is None:
        session.result({"EndpointName": name}, [ENDPOINT.goes_on(name)])
        return
    found = next(one for one in reversed(answers) if "EndpointStatus" in one)
    document = {key: found[key] for key in ("EndpointName", "EndpointArn", "EndpointConfigName")}
    ask = f"invoke it: forest invoke {name} FILE"
    session.result(document, [ask, f"delete it: forest delete {name}"])


def _cost(wanted: Deploy) -> str:
    if wanted.serverless:
        return "serverless: paid per call; nothing while it is idle, unless --provisioned"
    return prices().describe(wanted.variant.instance_type, wanted.variant.instance_count)


def _artifact(
    session: Session, storage: Storage, model: str, several: str, folder: Path
) -> ModelData:
    if several:
        return find_many_models(storage, several, model, folder)
    return find_model_data(session.existing, storage, model, folder, session.say)


def _parts(storage: Storage, endpoint: str, options: dict[str, Any]) -> dict[str, Any]:
    """Turn the endpoint's options into the parts of a ``Deploy``."""
    capture = options["capture_uri"] or storage.uri("captured", endpoint)
    return {
        "variant": Variant(
            options["instance_type"],
            options["instance_count"],
            options["volume_gb"],
            options["startup_timeout"],
            options["download_timeout"],
        ),
        "serverless": _serverless(options) if options["serverless"] else None,
        "asynchronous": _asynchronous(storage, endpoint, options),
        "capture": Capture(capture, options["capture_percent"]) if options["capture"] else None,
        "traffic": Traffic(
            options["traffic"],
            options["traffic_percent"],
            options["traffic_wait"],
            options["alarms"],
        ),
        "multi_model": options["multi_model"],
        "cache_models": not options["no_model_cache"],
    }


def _serverless(options: dict[str, Any]) -> Serverless:
    return Serverless(
        int(options["memory_mb"]), options["concurrency"] or 5, options["provisioned"]
    )


def _asynchronous(storage: Storage, endpoint: str, options: dict[str, Any]) -> Async | None:
    if not options["asynchronous"]:
        return None
    output = options["async_output"] or storage.uri("answers", endpoint)
    return Async(
        output,
        f"{output.rstrip('/')}-failed",
        options["concurrency"],
        options["success_topic"],
        options["error_topic"],
    )


def _autoscaling(text: str, target: float) -> tuple[int, int, float] | None:
    if not text:
        return None
    least, colon, most = text.partition(":")
    if not colon or not least.isdigit() or not most.isdigit() or int(least) > int(most):
        raise DeploymentError(f"--autoscale {text!r}: expected LEAST:MOST instances, such as 1:4")
    return int(least), int(most), target
