"""The options of a training job, which ``fit`` and ``tune`` share."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import click

from mlserver_forest.aws.data_identity import identity_of_prefix
from mlserver_forest.aws.fit.plan import Fit, Input, Machines, stopping_condition
from mlserver_forest.aws.infrastructure import find_infrastructure, parse_pairs
from mlserver_forest.aws.local_files import local_files
from mlserver_forest.aws.naming import checked_name
from mlserver_forest.aws.session import Session
from mlserver_forest.aws.storage import find_storage, split_uri
from mlserver_forest.errors import DeploymentError
from mlserver_forest.formats.registry import default

# Checks hyperparameters and raises ForestError. The command `forest` passes it in, because this
# layer does not import training.
Check = Callable[[Mapping[str, str]], object]

_OPTIONS = (
    click.argument("data", nargs=-1),
    click.option("--train", multiple=True, help="A file, folder or S3 URI; the same as DATA."),
    click.option("--validation", multiple=True, help="A file, folder or S3 URI; repeatable."),
    click.option("--test", multiple=True, help="A file, folder or S3 URI; repeatable."),
    click.option(
        "-p",
        "--hyperparameter",
        "hyperparameters",
        multiple=True,
        metavar="NAME=VALUE",
        help="A hyperparameter; repeatable. See forest hyperparameters.",
    ),
    click.option("--name", default="", help="The job's name; by default it has a digest."),
    click.option("--instance-type", default="ml.m5.xlarge", show_default=True),
    click.option("--instance-count", default=1, show_default=True, type=click.IntRange(1)),
    click.option("--volume-gb", default=30, show_default=True, type=click.IntRange(1)),
    click.option("--max-run", default=86400, show_default=True, type=int, help="Seconds."),
    click.option("--spot", is_flag=True, help="Use spot instances, with checkpoints."),
    click.option(
        "--max-wait", type=click.IntRange(1), help="Seconds (--spot); default 2 x --max-run."
    ),
    click.option("--checkpoints", default="", help="An S3 prefix; set by --spot."),
    click.option("--input-mode", default="File", type=click.Choice(["File", "FastFile", "Pipe"])),
    click.option("--content-type", default="", help=f"The data's, such as {default().media_type}."),
    click.option("--sharded", is_flag=True, help="Each instance gets a share of the files."),
    click.option("--compression", default="", type=click.Choice(["", "Gzip"])),
    click.option("--record-wrapper", default="", type=click.Choice(["", "RecordIO"])),
    click.option("--output", default="", help="The S3 prefix of the model."),
    click.option(
        "--encrypt-between-hosts",
        is_flag=True,
        help="Encrypt what the instances of a job send each other (slower).",
    ),
)


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a training job to a click command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def fit_of(
    session: Session,
    options: dict[str, Any],
    check: Check | None,
    longest_name: int = 63,
    *,
    identifies: bool = True,
) -> Fit:
    """Take all options of a training job out of ``options``.

    Args:
        session: finds storage, role and image.
        options: from the command line.
        check: checks the hyperparameters before AWS is asked, or None.
        longest_name: the number of characters that the job's name may have.
        identifies: whether data that are in S3 already are looked up, to tell a job from another
            one on other data.
    """
    hyperparameters = parse_pairs("-p", options.pop("hyperparameters"))
    if check:
        check(dict(hyperparameters))
    machines = _machines(options)
    stopping_condition(machines)
    if options["name"]:
        checked_name(options["name"], longest_name)
    inputs = _inputs(options)
    _check_pipe(options)
    region = session.aws.region
    storage = find_storage(session.existing, region, options.pop("bucket"))
    infrastructure = find_infrastructure(session.existing, region, options, machines.instance_type)
    sharded = options.pop("sharded")
    return Fit(
        storage=storage,
        infrastructure=infrastructure,
        inputs=tuple(identified(session, one) if identifies else one for one in inputs),
        hyperparameters=hyperparameters,
        metrics=metric_definitions(),
        machines=machines,
        distribution="ShardedByS3Key" if sharded else "FullyReplicated",
        **{name: options.pop(name) for name in _REST},
    )


def identified(session: Session, data: Input) -> Input:
    """The same data with a digest of what they are now, if they are in S3 already."""
    if not data.uri:
        return data
    return replace(data, identity=identity_of_prefix(session.existing, data.uri, session.say))


def input_of(channel: str, words: tuple[str, ...]) -> Input:
    """The data of a channel: one S3 URI, or local files and folders.

    Raises:
        DeploymentError: if it is neither, or there are no files.
    """
    remote = [word for word in words if word.startswith("s3://")]
    if not remote:
        return Input(channel, files=local_files([Path(word) for word in words]))
    if len(words) > 1:
        raise DeploymentError(
            f"{channel}: {', '.join(words)}; expected one S3 URI (a prefix may hold many files), "
            "or only local files"
        )
    split_uri(remote[0])
    return Input(channel, uri=remote[0])


_REST = (
    "name",
    "input_mode",
    "content_type",
    "compression",
    "record_wrapper",
    "output",
    "checkpoints",
    "encrypt_between_hosts",
)


def _inputs(options: dict[str, Any]) -> tuple[Input, ...]:
    """A channel for each kind of data."""
    train = (*options.pop("data"), *options.pop("train"))
    words = {"train": train, **{name: options.pop(name) for name in ("validation", "test")}}
    if not train:
        raise DeploymentError("there are no data to train on; give a file, a folder or an S3 URI")
    return tuple(input_of(channel, found) for channel, found in words.items() if found)


def _check_pipe(options: Mapping[str, Any]) -> None:
    """Refuse what SageMaker ignores but in Pipe mode (its API's reference on Channel)."""
    wrong = [
        f"--{name.replace('_', '-')} {options[name]}"
        for name in ("compression", "record_wrapper")
        if options[name]
    ]
    if wrong and options["input_mode"] != "Pipe":
        raise DeploymentError(
            f"{', '.join(wrong)}: only --input-mode Pipe has that, and --input-mode is "
            f"{options['input_mode']}; leave it out (compressed files are read as they are)"
        )


def metric_definitions() -> tuple[dict[str, str], ...]:
    """The patterns that SageMaker looks for in the log, from the settings in the package."""
    path = resources.files("mlserver_forest").joinpath("settings", "metric-definitions.json")
    return tuple(json.loads(path.read_text("utf-8")))


def _machines(options: dict[str, Any]) -> Machines:
    names = ("instance_type", "instance_count", "volume_gb", "max_run", "spot", "max_wait")
    return Machines(**{name: options.pop(name) for name in names})
