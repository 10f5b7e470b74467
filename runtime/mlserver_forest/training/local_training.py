"""Train on files wherever they are: the job of SageMaker, without its folders."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import click

from mlserver_forest.artifact.model_name import checked_name, name_after
from mlserver_forest.errors import InvalidData
from mlserver_forest.training.config import (
    TEST_CHANNEL,
    TRAINING_CHANNELS,
    VALIDATION_CHANNEL,
    Channel,
    TrainingConfig,
)
from mlserver_forest.training.fitting.stopping import Stop
from mlserver_forest.training.job_process import importing

_HOST = "algo-1"

Paths = Sequence[str | PathLike[str]]


def train_files(
    files: Paths,
    *,
    target: str | int,
    out: str | PathLike[str],
    algorithm: str | None = None,
    ignore: Sequence[str | int] = (),
    interval: float | None = None,
    validation: Paths = (),
    test: Paths = (),
    hyperparameters: Mapping[str, Any] | None = None,
    name: str | None = None,
    content_type: str | None = None,
    say: Callable[[str], None] = click.echo,
    stop: Stop | None = None,
    file_titles: Mapping[str, str] | None = None,
) -> Path:
    """Train a model on files and folders.

    Args:
        files: to learn from, all of one format; folders are read recursively.
        target: the column to predict, by name, or by position from 0.
        out: the folder for ``model``, ``output/data/report.html`` and ``checkpoints``; made if
            missing. An earlier model in it is kept as ``model-1``, ``model-2``, ...
        algorithm: such as ``lightgbm``; ``random_forest`` by default. ``all``, or several names
            separated by commas, are compared on the same folds, and the best one is trained.
        ignore: columns to leave out.
        interval: the share of new rows whose target the model's intervals should contain.
        validation: files to evaluate on, and to stop boosting early; without them, some rows of
            ``files`` are held out.
        test: files to evaluate on at the end.
        hyperparameters: others, such as ``{"n_estimators": 200}``; docs/hyperparameters.md.
        name: the model's name on the V2 protocol; by default that of the first file.
        content_type: the format of the files, if their names and first lines do not say it.
        say: is called with each line of the log.
        stop: carries a request to stop; the model so far is then saved.
        file_titles: what files are called in the report, by their paths.

    Returns:
        The model directory.

    Raises:
        InvalidHyperparameters: naming every one that is unknown or out of range.
        InvalidData: naming file and line, and all that has to be decided about the columns.
        InvalidEnvironment: if the folder cannot be written, or a library is missing.
        InvalidArtifact: if the name cannot stand in a URL.
    """
    stop = stop or Stop()
    config = local_config(
        files,
        out=out,
        hyperparameters=settings(target, algorithm, ignore, interval, hyperparameters or {}),
        validation=validation,
        test=test,
        name=name,
        content_type=content_type,
    )
    run_locally(replace(config, file_titles=file_titles or {}), say, stop)
    return config.model_dir


def run_locally(config: TrainingConfig, say: Callable[[str], None], stop: Stop) -> None:
    """Train as a description of a job says; ``algorithm`` may name several.

    A job that is refused leaves no empty folders behind.

    Raises:
        JobError: naming what is wrong with hyperparameters or data.
        InvalidEnvironment: if a folder cannot be written, or a library is missing.
    """
    folders = (config.model_dir, config.checkpoints, config.model_dir.parent)
    made_here = [folder for folder in folders if not folder.exists()]
    try:
        _run(config, say, stop)
    except BaseException:
        for folder in made_here:
            with suppress(OSError):  # It is missing, or not empty.
                folder.rmdir()
        raise


def _run(config: TrainingConfig, say: Callable[[str], None], stop: Stop) -> None:
    with importing():
        from mlserver_forest.training.algorithm_comparison import compare, suitable_algorithms
        from mlserver_forest.training.algorithms.hyperparameters import decode
        from mlserver_forest.training.job import run

    others = dict(config.hyperparameters)
    wanted = decode(others.pop("algorithm", None))
    names = suitable_algorithms(wanted, others, say) if isinstance(wanted, str) else []
    if len(names) > 1:
        comparison = compare(config, names, say, stop)
        if comparison is None:
            say("stopped before there was a model; nothing was written")
            return
        for line in comparison.lines():
            say(line)
        chosen = {**config.hyperparameters, "algorithm": json.dumps(comparison.best)}
        config = replace(config, hyperparameters=chosen, leaderboard=comparison.leaderboard)
    run(config, say, stop)


def settings(
    target: str | int,
    algorithm: str | None,
    ignore: Sequence[str | int],
    interval: float | None,
    others: Mapping[str, Any],
) -> dict[str, str]:
    """The hyperparameters as SageMaker's clients write them.

    Raises:
        InvalidData: if one of the named ones is among the others too.
    """
    named: dict[str, Any] = {"target": target}
    if algorithm is not None:
        named["algorithm"] = algorithm
    if ignore:
        named["ignore"] = list(ignore)
    if interval is not None:
        named["prediction_interval"] = interval
    for name in named.keys() & others.keys():
        raise InvalidData(f"{name} is given twice, by itself and as a hyperparameter; remove one")
    return {
        name: value if isinstance(value, str) and name not in named else json.dumps(value)
        for name, value in {**named, **others}.items()
    }


def local_config(
    files: Paths,
    *,
    out: str | PathLike[str],
    hyperparameters: Mapping[str, str],
    validation: Paths = (),
    test: Paths = (),
    name: str | None = None,
    content_type: str | None = None,
) -> TrainingConfig:
    """The description of a job on files; see ``train_files``.

    Raises:
        InvalidData: if no file is given, or a file does not exist.
        InvalidArtifact: if the name cannot stand in a URL.
    """
    given = {TRAINING_CHANNELS[0]: files, VALIDATION_CHANNEL: validation, TEST_CHANNEL: test}
    channels = {}
    for channel, listed in given.items():
        paths = tuple(map(Path, listed))
        for path in paths:
            if not path.exists():
                raise InvalidData(f"{path} does not exist; expected a file or a folder")
        if paths:
            channels[channel] = Channel(channel, paths[0], content_type, paths=paths)
    if not files:
        raise InvalidData("no file is given; expected files or folders to learn from")
    base = Path(out).absolute()
    return TrainingConfig(
        base_dir=base,
        hyperparameters=hyperparameters,
        channels=channels,
        host=_HOST,
        hosts=(_HOST,),
        checkpoints=base / "checkpoints",
        model_name=name_after(files[0]) if name is None else checked_name(name),
        has_reader=True,
        keeps_earlier=True,
    )
