"""The command ``forest evaluate``."""

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlserver_forest.aws.json_usage_command import JsonUsageCommand
from mlserver_forest.errors import ForestError, InvalidData, count

if TYPE_CHECKING:
    from mlserver_forest.evaluation.command.answered_log import AnsweredLog
    from mlserver_forest.evaluation.command.captured_log import CapturedLog
    from mlserver_forest.evaluation.evaluation_result import Evaluation
    from mlserver_forest.schema.schema import Schema


@click.command(cls=JsonUsageCommand)
@click.argument("model", metavar="MODEL|ENDPOINT")
@click.argument("files", nargs=-1, metavar="[FILE...]")
@click.option("--target", required=True, metavar="NAME", help="The column of the known targets.")
@click.option("--by", metavar="COLUMN", help="Divide the rows by the values of this column, too.")
@click.option(
    "--labels", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="FILE... is a log; the targets of its rows are in this file.",
)  # fmt: skip
@click.option(
    "--key", metavar="COLUMNS", default="",
    help="The columns of the log by which --labels names a row; by default request_id,row, and "
    "inference_id for captured data.",
)  # fmt: skip
@click.option("--since", default="", metavar="TIME", help="Of captured data, such as 12h or 30d.")
@click.option("--region", help="The AWS region of captured data; by default the configured one.")
@click.option("--profile", help="The profile in ~/.aws/config; by default the configured one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option(
    "--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="A file to write as JSON, too.",
)  # fmt: skip
def evaluate(
    model: str,
    files: tuple[str, ...],
    target: str,
    by: str | None,
    labels: Path | None,
    key: str,
    since: str,
    region: str | None,
    profile: str | None,
    as_json: bool,
    out: Path | None,
) -> None:
    """Measure how good a model is on rows whose targets are known.

    MODEL is a model directory or its archive, model.tar.gz. FILE has a header or names its columns
    otherwise: CSV, Parquet, JSON lines or Arrow, which may be compressed; of a folder, all files
    are read. It has the model's features and the target; other columns are skipped. Metrics,
    calibration and the coverage of intervals are printed.

    With --labels, FILE... are the folders or files of a request log, or an s3:// prefix of data
    that an endpoint captured, and the answers that were given are measured, by version or variant
    if there are several, and over time. Without FILE, and if there is no folder of that name, MODEL
    is the name of an endpoint on SageMaker, whose captured data of 30 days are read.
    """
    names = tuple(name.strip() for name in key.split(",") if name.strip())
    try:
        _check_sources(model, files, labels, (since, region, profile))
        if labels is None:
            found = _of_files(Path(model), tuple(map(Path, files)), target, by or "")
        elif not files or files[0].startswith(_S3):
            outcomes = _Outcomes(labels, target, names or (INFERENCE_ID,), by)
            found = _of_captured((model, files, since), outcomes, (region, profile, as_json))
        else:
            outcomes = _Outcomes(labels, target, names or _LOG_KEY, by)
            found = _of_log(Path(model), tuple(map(Path, files)), outcomes)
        text = json.dumps(found.to_json(), indent=1, allow_nan=False)
        if out is not None:
            out.write_text(text + "\n", "utf-8")
    except (ForestError, OSError) as error:
        _report(error, (region, profile, as_json))
        sys.exit(getattr(error, "exit_code", 1))
    click.echo(text if as_json else str(found))


# What names a row of a request log, and of captured data.
_LOG_KEY, INFERENCE_ID = ("request_id", "row"), "inference_id"
_S3, _LONGEST = "s3://", "30d"


@dataclass(frozen=True)
class _Outcomes:
    """The file of the targets, and how its rows are found in a log.

    Attributes:
        path: the file.
        target: the name of the target's column.
        key: the names of the columns that name a row.
        by: the column by whose values the rows are divided, or None for versions or variants.
    """

    path: Path
    target: str
    key: tuple[str, ...]
    by: str | None


def _check_sources(
    model: str, files: tuple[str, ...], labels: Path | None, of_aws: tuple[str | None, ...]
) -> None:
    """Check that what is named exists, or can be looked for on AWS."""
    in_s3 = [file for file in files if file.startswith(_S3)]
    if in_s3 and len(in_s3) < len(files):
        raise InvalidData("some of FILE... are in S3, and others are not; name one kind of log")
    is_here = Path(model).exists()
    if (in_s3 or not files) and labels is None:
        raise InvalidData(
            "--labels is missing: the file with the targets of what was captured"
            if in_s3 or not is_here
            else "FILE is missing: expected rows with their targets, or a log with --labels"
        )
    if is_here and not files:
        raise InvalidData(
            f"{model} is a file or folder here, and FILE is missing: expected a request log or an "
            "s3:// prefix; for an endpoint of this name, run the command in another folder"
        )
    if not is_here and files:
        raise InvalidData(
            f"{model} does not exist; expected a model directory, or its archive, model.tar.gz"
        )
    if not in_s3 and files and any(of_aws):
        raise InvalidData("--since, --region and --profile are for captured data; leave them out")
    missing = [file for file in files if not in_s3 and not Path(file).exists()]
    if missing:
        raise InvalidData(f"{missing[0]} does not exist; expected a file or a folder")


def _of_captured(
    sources: tuple[str, tuple[str, ...], str],
    outcomes: _Outcomes,
    account: tuple[str | None, str | None, bool],
) -> "Evaluation":
    from mlserver_forest.artifact.model_directory import load
    from mlserver_forest.aws.compare.plan import since_of
    from mlserver_forest.aws.fetched_model import fetch_archive
    from mlserver_forest.aws.session import Session
    from mlserver_forest.evaluation.command.captured_log import VARIANT, CapturedLog
    from mlserver_forest.evaluation.command.captured_source import (
        read_records,
        source_of_endpoint,
        source_of_prefixes,
    )

    model, prefixes, since = sources
    region, profile, as_json = account
    session = Session(region, profile, dry_run=False, yes=False, is_json=as_json)
    with tempfile.TemporaryDirectory(prefix="forest-evaluate-") as folder:
        try:
            if prefixes:
                source = source_of_prefixes(prefixes, since_of(since) if since else None)
            else:
                source = source_of_endpoint(session, model, since_of(since or _LONGEST))
            records = read_records(session, source)
            place = Path(model)
            if source.archive:
                place = fetch_archive(session.aws, source.archive, Path(folder), session.bar)
        finally:
            session.close()
        with _opened(place) as directory:
            schema = load(directory).schema
    log = CapturedLog(records, schema, [*outcomes.key, outcomes.by or VARIANT])
    if log.left_out:
        _note(f"{count(len(log.left_out), 'answer')} left out: {log.left_out[0]}")
    log.check_key(outcomes.key)
    return _measured(log, schema, outcomes, VARIANT, log.times)


def _of_log(model: Path, files: tuple[Path, ...], outcomes: _Outcomes) -> "Evaluation":
    from mlserver_forest.artifact.model_directory import load
    from mlserver_forest.evaluation.command.answered_log import VERSION, AnsweredLog

    with _opened(model) as directory:
        schema = load(directory).schema
    log = AnsweredLog(files, schema, [*outcomes.key, outcomes.by or VERSION])
    return _measured(log, schema, outcomes, VERSION)


def _measured(
    log: "AnsweredLog | CapturedLog",
    schema: "Schema",
    outcomes: _Outcomes,
    apart: str,
    times: Sequence[str] = (),
) -> "Evaluation":
    """Join a log with the outcomes; what several versions or variants answered is apart."""
    from mlserver_forest.evaluation.command.label_join import join_labels
    from mlserver_forest.evaluation.model_evaluation import evaluate_predictions

    path, target, by = outcomes.path, outcomes.target, outcomes.by
    targets, n_others = join_labels(path, target, outcomes.key, log.columns, log.are_numbers)
    if n_others:
        _note(f"{n_others} rows of {path} belong to no row of the log")
    if by is None and len(set(log.columns[apart])) > 1:
        by = apart
    return evaluate_predictions(
        schema,
        log.prediction,
        targets,
        target=target,
        by=by or "",
        by_values=log.columns[by] if by else (),
        times=times,
    )


def _report(error: Exception, account: tuple[str | None, str | None, bool]) -> None:
    """Print an error as the commands do that are about SageMaker."""
    from mlserver_forest.aws.follow_up import with_account
    from mlserver_forest.aws.json_output import error_document, to_json

    region, profile, as_json = account
    message = with_account(str(error), region, profile)
    if as_json:
        click.echo(to_json(error_document(error, message)))
    _note(f"forest evaluate: {message}")


def _note(line: str) -> None:
    click.echo(line, err=True)


def _opened(model: Path) -> AbstractContextManager[Path]:
    from mlserver_forest.artifact.model_archive import opened_model

    return opened_model(model)


def _of_files(model: Path, files: Sequence[Path], target: str, by: str) -> "Evaluation":
    import numpy as np

    from mlserver_forest.artifact.model_directory import load
    from mlserver_forest.engine.threads import KernelThreads
    from mlserver_forest.evaluation.command.labeled_file import LabeledFile
    from mlserver_forest.evaluation.model_evaluation import evaluate_model
    from mlserver_forest.model.compile_ahead import preparing
    from mlserver_forest.resources import n_cpus

    with _opened(model) as directory:
        loaded = load(directory, preparing(explains=False))
    names = [target, by] if by else [target]
    read = [LabeledFile(file, loaded.schema, names) for file in _data_files(files)]
    return evaluate_model(
        loaded,
        np.concatenate([one.x for one in read]),
        [value for one in read for value in one.columns[target]],
        target=target,
        by=by,
        by_values=[value for one in read for value in one.columns[by]] if by else (),
        threads=KernelThreads(n_cpus()),
    )


def _data_files(paths: Sequence[Path]) -> list[Path]:
    """Files, and those in folders; names that begin with . or _ are not data (_SUCCESS)."""
    found = [file for path in paths for file in _files_of(path)]
    if not found:
        raise InvalidData(f"{', '.join(map(str, paths))}: there are no files in it")
    return found


def _files_of(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for file in sorted(path.rglob("*")):
        hidden = any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
        if file.is_file() and not hidden:
            yield file
