"""The options of ``forest deploy``, and the parts of an endpoint that they ask for."""

import re
from collections.abc import Callable
from typing import Any

import click

from mlserver_forest.aws.deploy.endpoint_config import Async, Capture, Serverless, Traffic, Variant
from mlserver_forest.aws.finite_number import FiniteNumber
from mlserver_forest.aws.image_repository import EARLIER_REPOSITORY
from mlserver_forest.aws.model_data import ModelData
from mlserver_forest.aws.present_endpoint import PresentEndpoint
from mlserver_forest.aws.scaling import Autoscaling
from mlserver_forest.errors import DeploymentError

_VARIANT = (
    click.option("--instance-type", default="", help="By default ml.m5.large."),
    click.option("--instance-count", type=click.IntRange(1), help="By default 1."),
    click.option("--volume-gb", type=click.IntRange(1, 512)),
    click.option("--startup-timeout", type=click.IntRange(60, 3600), help="Seconds until healthy."),
    click.option("--download-timeout", type=click.IntRange(60, 3600), help="Seconds."),
    click.option(
        "--variant",
        default="",
        metavar="NAME[=SHARE%]",
        help="The variant that is meant, and its share of the traffic; a new one needs a share.",
    ),
    click.option(
        "--shadow",
        is_flag=False,
        flag_value="shadow",
        default="",
        metavar="[NAME[=SHARE%]]",
        help="A shadow variant with MODEL gets a copy of this share of the requests (by default "
        "all), and nobody gets its answers; put it after MODEL.",
    ),
    click.option("--autoscale", default="", metavar="LEAST:MOST|off", help="Instances."),
    click.option(
        "--autoscale-target",
        type=FiniteNumber(0, min_open=True),
        help="The target of calls per instance and minute (by default 1000); with --async, of "
        "waiting calls per instance (by default 5).",
    ),
)
_KINDS = (
    click.option("--serverless", is_flag=True, help="A serverless endpoint."),
    click.option(
        "--memory-mb",
        type=click.Choice([str(n * 1024) for n in range(1, 7)]),
        help="By default 2048 (serverless).",
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 1000),
        help="Concurrent calls: by default 5 (serverless); per instance (async).",
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
    click.option("--capture/--no-capture", default=None, help="Keep requests and answers in S3."),
    click.option("--capture-uri", default="", help="An S3 prefix."),
    click.option("--capture-percent", type=click.IntRange(0, 100), help="By default 100."),
    click.option(
        "--traffic",
        type=click.Choice(["all-at-once", "canary", "linear"]),
        help="How an update moves the traffic; by default as the last one, or all at once.",
    ),
    click.option("--traffic-percent", type=click.IntRange(1, 50), help="By default 10."),
    click.option("--traffic-wait", type=click.IntRange(0, 3600), help="Seconds; by default 0."),
    click.option("--alarm", "alarms", multiple=True, help="An alarm that rolls back."),
)
_RANGE = re.compile(r"([0-9]{1,4}):([0-9]{1,4})")
# A linear step is 10 to 50 percent (SageMaker's TrafficRoutingConfig).
_LEAST_LINEAR = 10
_MOST_SERVERLESS = 200
# SageMaker API, AutoRollbackConfig; only an update has alarms, but they are given before.
_MOST_ALARMS = 10


def endpoint_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of an endpoint to a click command."""
    for option in reversed((*_VARIANT, *_KINDS, *_UPDATES)):
        command = option(command)
    return command


def autoscaling_of(
    text: str, target: float | None, present: PresentEndpoint | None, options: dict[str, Any]
) -> tuple[Autoscaling | None, bool]:
    """The autoscaling that is asked for, and whether the endpoint may keep the one that it has.

    Args:
        text: LEAST:MOST, off, or empty.
        target: the target, or None.
        present: the endpoint that is updated.
        options: the other options.

    Raises:
        DeploymentError: if the text is neither, or does not fit the other options.
    """
    if text == "off":
        return None, False
    if not text:
        if target is None or present is None or not present.own_scaling.targets:
            return None, True
        bounds = present.own_scaling.targets[0]
        return Autoscaling(bounds["MinCapacity"], bounds["MaxCapacity"], target), True
    matched = _RANGE.fullmatch(text)
    least, most = (int(one) for one in matched.groups()) if matched else (1, 0)
    if least > most or most == 0:
        raise DeploymentError(
            f"--autoscale {text!r}: expected LEAST:MOST instances, such as 1:4, or off"
        )
    count, kind = options["instance_count"], options["instance_type"]
    if count is not None and not max(least, 1) <= count <= most:
        raise DeploymentError(
            f"--instance-count {count} is outside of --autoscale {text}; expected "
            f"{max(least, 1)} to {most}"
        )
    if kind.startswith("ml.t2."):
        raise DeploymentError(f"AWS does not scale burstable instances such as {kind}")
    return Autoscaling(least, most, target), True


def fill(options: dict[str, Any], artifact: ModelData, present: PresentEndpoint | None) -> None:
    """Fill in the options of the infrastructure that are not given.

    The image of a model that a training job made is the job's. An endpoint keeps its role, its
    network, its key and its variables, and an image of another repository than
    ``--repository``.

    Args:
        options: the options by the names of their parameters; changed in place.
        artifact: the model.
        present: the endpoint that is updated, or None.

    Raises:
        DeploymentError: if there is no role.
    """
    options["image"] = options["image"] or artifact.image
    if present is not None:
        _keep(options, present)
    if artifact.is_package:
        options["image"] = ""
    if not options["role"]:
        raise DeploymentError("--role is missing: the name or ARN of SageMaker's role")


def parts(options: dict[str, Any], effective: frozenset[str]) -> dict[str, Any]:
    """Turn the endpoint's options into the parts of a ``Deploy``.

    Args:
        options: the options by the names of their parameters.
        effective: the options that are given, and those whose effect the endpoint has.

    Raises:
        DeploymentError: if values do not fit each other.
    """
    is_serverless = "--serverless" in effective
    return {
        "variant": Variant(
            options["instance_type"],
            options["instance_count"],
            options["volume_gb"],
            options["startup_timeout"],
            options["download_timeout"],
        ),
        "serverless": _serverless(options) if is_serverless else None,
        "asynchronous": _asynchronous(options) if "--async" in effective else None,
        "capture": _capture(options),
        "captures": options["capture"] is not False,
        "traffic": _traffic(options),
        "cache_models": False if options["no_model_cache"] else None,
    }


def _keep(options: dict[str, Any], present: PresentEndpoint) -> None:
    model, container = present.model, present.container
    vpc = model.get("VpcConfig", {})
    image = container.get("Image", "")
    name = image.partition("/")[2].partition("@")[0].partition(":")[0]
    if not options["image"] and image and name not in {options["repository"], EARLIER_REPOSITORY}:
        options["image"] = image
    variables = container.get("Environment", {})
    options["role"] = options["role"] or model.get("ExecutionRoleArn", "")
    options["env"] = (*(f"{key}={value}" for key, value in variables.items()), *options["env"])
    options["kms_key"] = options["kms_key"] or present.configuration.get("KmsKeyId", "")
    options["subnets"] = options["subnets"] or tuple(vpc.get("Subnets", ()))
    options["security_groups"] = options["security_groups"] or tuple(
        vpc.get("SecurityGroupIds", ())
    )
    options["isolated"] = options["isolated"] or bool(model.get("EnableNetworkIsolation"))


def _serverless(options: dict[str, Any]) -> Serverless:
    memory, concurrency = options["memory_mb"], options["concurrency"]
    if concurrency is not None and concurrency > _MOST_SERVERLESS:
        raise DeploymentError(
            f"--concurrency {concurrency}: a serverless endpoint has at most {_MOST_SERVERLESS}"
        )
    return Serverless(int(memory) if memory else None, concurrency, options["provisioned"])


def _asynchronous(options: dict[str, Any]) -> Async:
    return Async(
        output=options["async_output"],
        concurrency=options["concurrency"],
        success_topic=options["success_topic"],
        error_topic=options["error_topic"],
    )


def _capture(options: dict[str, Any]) -> Capture | None:
    uri, percent = options["capture_uri"], options["capture_percent"]
    if options["capture"] or uri or percent is not None:
        return Capture(uri, percent)
    return None


def _traffic(options: dict[str, Any]) -> Traffic | None:
    kind, percent, wait = (options[f"traffic{end}"] for end in ("", "_percent", "_wait"))
    if kind is None and wait is None and not options["alarms"]:
        return None
    if kind == "linear" and percent is not None and percent < _LEAST_LINEAR:
        raise DeploymentError(
            f"--traffic-percent {percent}: AWS moves 10 to 50 percent in each step of --traffic "
            "linear"
        )
    if len(options["alarms"]) > _MOST_ALARMS:
        raise DeploymentError(
            f"--alarm ({len(options['alarms'])} items): expected 1 to {_MOST_ALARMS} alarms"
        )
    traffic = Traffic()
    return Traffic(kind or traffic.kind, percent or traffic.percent, wait or 0, options["alarms"])
