"""The keys of the tables of a pipeline's file that are not options of another command."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from mlserver_forest.aws.finite_number import FiniteNumber
from mlserver_forest.aws.fit.options import metric_definitions

_VALIDATION = "validation:"
_CHANNELS = ("train", "validation", "test", "evaluation")

_MACHINE = (
    click.option("--instance-type", default="ml.m5.large", show_default=True),
    click.option("--volume-gb", default=30, show_default=True, type=click.IntRange(1)),
    click.option("--max-run", default=3600, show_default=True, type=int, help="Seconds."),
)
_PROCESSING = (
    click.option("--model", default="", help="The model with which forest predict scores rows."),
    click.option("--image", default="", help="An image that does something else with them."),
    click.option("--entrypoint", multiple=True, help="Its command; one word after the other."),
    click.option("--argument", "arguments", multiple=True, help="More words of the command."),
    click.option(
        "--channel",
        "channels",
        multiple=True,
        type=click.Choice(_CHANNELS),
        help="The data that are processed; by default all.",
    ),
    *_MACHINE,
)
# Those of forest predict that choose what is written, with its names.
PREDICT: Mapping[str, tuple[str, ...]] = {
    "outputs": (),
    "keep": (),
    "format": (),
    "extra": ("error", "ignore"),
    "header": ("auto", "present", "absent"),
    "bad-rows": ("stop", "skip"),
}
_PREDICT = tuple(
    click.option(f"--{name}", default="", type=click.Choice(["", *words]) if words else str)
    for name, words in PREDICT.items()
)


def bars() -> tuple[str, ...]:
    """The metrics that ``forest evaluate`` measures."""
    names = (metric["Name"] for metric in metric_definitions())
    return tuple(one.removeprefix(_VALIDATION) for one in names if one.startswith(_VALIDATION))


_EVALUATION = (
    click.option("--data", multiple=True, required=True, help="Files, a folder or an S3 URI."),
    click.option("--target", required=True, help="The column of the known targets."),
    click.option("--metric", required=True, type=click.Choice(bars()), help="What is measured."),
    click.option("--bar", required=True, type=FiniteNumber(), help="What it must reach."),
    click.option("--by", default="", help="A column; its values are measured apart, too."),
    *_MACHINE,
)
_REGISTRATION = (
    click.option("--group", required=True, help="The model package group."),
    click.option("--description", default=""),
    click.option(
        "--approval",
        default="PendingManualApproval",
        type=click.Choice(["PendingManualApproval", "Approved", "Rejected"]),
    ),
    click.option("--instance-type", "instance_types", multiple=True, help="For endpoints."),
)


def processing_options(run: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the processing steps to a click command."""
    return _with(run, (*_PROCESSING, *_PREDICT))


def predict_words(options: dict[str, Any]) -> tuple[str, ...]:
    """Take the options of ``forest predict`` out of those of processing, as its words."""
    values = {name: options.pop(name.replace("-", "_")) for name in PREDICT}
    return tuple(f"--{name}={value}" for name, value in values.items() if value)


def evaluation_options(run: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the evaluation to a click command."""
    return _with(run, _EVALUATION)


def registration_options(run: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the registration to a click command."""
    return _with(run, _REGISTRATION)


def _with(run: Callable[..., Any], options: tuple[Any, ...]) -> Callable[..., Any]:
    for option in reversed(options):
        run = option(run)
    return run
