"""The command ``forest evaluate``."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlserver_forest.errors import ForestError, InvalidData

if TYPE_CHECKING:
    from mlserver_forest.evaluation.evaluation_result import Evaluation


@click.command()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...",
    type=click.Path(exists=True, path_type=Path),
)  # fmt: skip
@click.option("--target", required=True, metavar="NAME", help="The column of the known targets.")
@click.option("--by", metavar="COLUMN", help="Divide the rows by the values of this column, too.")
@click.option(
    "--labels", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="FILE... is a request log; the targets of its rows are in this file.",
)  # fmt: skip
@click.option(
    "--key", metavar="COLUMNS", default="request_id,row", show_default=True,
    help="The columns of the log by which --labels names a row.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option(
    "--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="A file to write as JSON, too.",
)  # fmt: skip
def evaluate(
    model: Path,
    files: tuple[Path, ...],
    target: str,
    by: str | None,
    labels: Path | None,
    key: str,
    as_json: bool,
    out: Path | None,
) -> None:
    """Measure how good a model is on rows whose targets are known.

    MODEL is a model directory or its archive, model.tar.gz. FILE has a header or names its columns
    otherwise: CSV, Parquet, JSON lines or Arrow, which may be compressed; of a folder, all files
    are read. It has the model's features and the target; other columns are skipped. Metrics,
    calibration and the coverage of intervals are printed.

    With --labels, FILE... are the folders or files of a request log, and the answers that the
    server gave are measured, by version if there are several.
    """
    try:
        if labels is None:
            found = _of_file(model, files, target, by or "")
        else:
            names = tuple(name.strip() for name in key.split(",") if name.strip())
            found = _of_log(model, files, (labels, target, names), by)
        text = json.dumps(found.to_json(), indent=1, allow_nan=False)
        if out is not None:
            out.write_text(text + "\n", "utf-8")
    except (ForestError, OSError) as error:
        click.echo(f"forest evaluate: {error}", err=True)
        sys.exit(getattr(error, "exit_code", 1))
    click.echo(text if as_json else str(found))


def _of_file(model: Path, files: tuple[Path, ...], target: str, by: str) -> "Evaluation":
    import numpy as np

    from mlserver_forest.artifact.model_archive import opened_model
    from mlserver_forest.artifact.model_directory import load
    from mlserver_forest.engine.threads import KernelThreads
    from mlserver_forest.evaluation.command.labeled_file import LabeledFile
    from mlserver_forest.evaluation.model_evaluation import evaluate_model
    from mlserver_forest.model.compile_ahead import preparing
    from mlserver_forest.resources import n_cpus

    with opened_model(model) as directory:
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


def _of_log(
    model: Path, files: tuple[Path, ...], labels: tuple[Path, str, tuple[str, ...]], by: str | None
) -> "Evaluation":
    from mlserver_forest.artifact.model_directory import load
    from mlserver_forest.evaluation.command.answered_log import VERSION, AnsweredLog
    from mlserver_forest.evaluation.model_evaluation import evaluate_predictions

    path, target, key = labels
    schema = load(model).schema
    log = AnsweredLog(files, schema, [*key, by or VERSION])
    targets, n_others = log.targets_from(path, target, key)
    if n_others:
        click.echo(f"{n_others} rows of {path} belong to no row of the log", err=True)
    if by is None and len(set(log.columns[VERSION])) > 1:
        by = VERSION
    return evaluate_predictions(
        schema,
        log.prediction,
        targets,
        target=target,
        by=by or "",
        by_values=log.columns[by] if by else (),
    )
