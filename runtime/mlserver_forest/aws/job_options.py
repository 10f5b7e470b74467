"""The options that ``fit`` and ``tune`` share, and starting or finding a job."""

import json
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import click

from mlserver_forest.aws.fit.plan import Fit, Input, Machines, stopping
from mlserver_forest.aws.place import checked_name, split_uri
from mlserver_forest.aws.resource_options import pairs, place_of, shared_of
from mlserver_forest.aws.session import Session
from mlserver_forest.errors import DeploymentError
from mlserver_forest.formats.registry import default

# Raises ForestError; the top layer hands it in, since training is none of our business.
Check = Callable[[Mapping[str, str]], object]

POLL = click.option(
    "--poll",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0.05),
    help="Seconds between two looks at the state.",
)
WAIT = click.option("--wait/--no-wait", default=True, help="Follow it to its end.")
_OPTIONS = (
    click.argument("data", nargs=-1),
    click.option("--train", multiple=True, help="File, folder or S3 URI; the same as DATA."),
    click.option("--validation", multiple=True, help="File, folder or S3 URI; repeatable."),
    click.option("--test", multiple=True, help="File, folder or S3 URI; repeatable."),
    click.option(
        "-p",
        "--hyperparameter",
        "hyperparameters",
        multiple=True,
        metavar="NAME=VALUE",
        help="As forest hyperparameters lists them; repeatable.",
    ),
    click.option("--name", default="", help="Of the job; by default one that the request decides."),
    click.option("--instance-type", default="ml.m5.xlarge", show_default=True),
    click.option("--instance-count", default=1, show_default=True, type=click.IntRange(1)),
    click.option("--volume-gb", default=30, show_default=True, type=click.IntRange(1)),
    click.option("--max-run", default=86400, show_default=True, help="Seconds."),
    click.option("--spot", is_flag=True, help="On spot instances, with checkpoints."),
    click.option("--max-wait", type=int, help="Seconds, with --spot; twice --max-run."),
    click.option("--checkpoints", default="", help="S3 prefix; --spot has one by itself."),
    click.option("--input-mode", default="File", type=click.Choice(["File", "FastFile", "Pipe"])),
    click.option(
        "--content-type", default="", help=f"Of the data, such as {default().media_type}."
    ),
    click.option("--sharded", is_flag=True, help="Each instance gets its share of the files."),
    click.option("--compression", default="", type=click.Choice(["", "Gzip"])),
    click.option("--record-wrapper", default="", type=click.Choice(["", "RecordIO"])),
    click.option("--output", default="", help="S3 prefix of the model."),
)


def job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def fit_of(session: Session, options: dict[str, Any], check: Check | None) -> Fit:
    """Takes all options of a job out of ``options``; hyperparameters are checked first."""
    hyperparameters = pairs("-p", options.pop("hyperparameters"))
    if check:
        check(dict(hyperparameters))
    machines = _machines(options)
    stopping(machines)
    if options["name"]:
        checked_name(options["name"])
    inputs = inputs_of(options)
    place = place_of(session, options.pop("bucket"))
    shared = shared_of(session, place, options)
    sharded = options.pop("sharded")
    return Fit(
        place=place,
        shared=shared,
        inputs=inputs,
        hyperparameters=hyperparameters,
        metrics=metric_definitions(),
        machines=machines,
        distribution="ShardedByS3Key" if sharded else "FullyReplicated",
        **{name: options.pop(name) for name in _REST},
    )


_REST = (
    "name",
    "input_mode",
    "content_type",
    "compression",
    "record_wrapper",
    "output",
    "checkpoints",
)


def inputs_of(options: dict[str, Any]) -> tuple[Input, ...]:
    """A channel for each kind of data.

    Raises:
        DeploymentError: if nothing is there to train on.
    """
    train = (*options.pop("data"), *options.pop("train"))
    words = {"train": train, **{name: options.pop(name) for name in ("validation", "test")}}
    if not train:
        raise DeploymentError("no data to train on; give a file, a folder or an S3 URI")
    return tuple(input_of(channel, found) for channel, found in words.items() if found)


def input_of(channel: str, words: tuple[str, ...]) -> Input:
    """Either one S3 URI, or local files and folders."""
    from mlserver_forest.aws.local_files import local_files

    remote = [word for word in words if word.startswith("s3://")]
    if not remote:
        return Input(channel, files=local_files([Path(word) for word in words]))
    if len(words) > 1:
        raise DeploymentError(
            f"{channel}: {', '.join(words)}; expected one S3 URI (a prefix may hold many files), "
            "or local files alone"
        )
    split_uri(remote[0])
    return Input(channel, uri=remote[0])


def metric_definitions() -> tuple[dict[str, str], ...]:
    """What SageMaker looks for in the log, from the settings that the package ships."""
    path = resources.files("mlserver_forest").joinpath("settings", "metric-definitions.json")
    return tuple(json.loads(path.read_text("utf-8")))


def _machines(options: dict[str, Any]) -> Machines:
    names = ("instance_type", "instance_count", "volume_gb", "max_run", "spot", "max_wait")
    return Machines(**{name: options.pop(name) for name in names})
