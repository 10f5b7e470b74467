"""The command ``forest predict``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlserver_forest.errors import ForestError
from mlserver_forest.formats import registry

if TYPE_CHECKING:
    from mlserver_forest.scoring.run import ScoringRun, ScoringSummary

_FORMATS = [found.extensions[0].removeprefix(".") for found in registry.FORMATS if found.chunks]


@click.command()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument("files", nargs=-1, required=True)
@click.option(
    "--out",
    required=True,
    help="The file to write, such as scored.parquet, or a folder with one file for each part; or "
    "their URI, such as s3://bucket/scored/.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(_FORMATS),
    help="The format of the answers.  [default: as the name of --out says, or as FILES]",
)
@click.option(
    "--outputs",
    default="",
    metavar="NAMES",
    help="The outputs, separated by commas, by the names that the server uses, such as "
    "predicted_label,probabilities,contributions.  [default: the model's]",
)
@click.option(
    "--keep",
    default="",
    metavar="COLUMNS",
    help="Columns to write beside the answers, separated by commas, such as id,name.",
)
@click.option(
    "--extra",
    type=click.Choice(["error", "ignore"]),
    default="error",
    show_default=True,
    help="What columns are that are neither features nor kept: an error, or skipped.",
)
@click.option(
    "--header",
    type=click.Choice(["auto", "present", "absent"]),
    default="auto",
    show_default=True,
    help="Whether CSV begins with the names of its columns; auto: if one of them is a feature's.",
)
@click.option(
    "--bad-rows",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="Whether a row that cannot be read ends the run, or is left out.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A CSV file to write about the rows that --bad-rows skip leaves out.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="How many rows are answered at a time.  [default: one for each CPU]",
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Score on the workers of a Dask cluster, such as tcp://10.0.0.5:8786.",
)
@click.option("--overwrite", is_flag=True, help="Replace what an earlier run wrote to --out.")
def predict(
    model: Path,
    files: tuple[str, ...],
    out: str,
    format_name: str | None,
    outputs: str,
    keep: str,
    extra: str,
    header: str,
    bad_rows: str,
    report: Path | None,
    threads: int | None,
    cluster: str | None,
    *,
    overwrite: bool,
) -> None:
    """Score the rows of FILES with MODEL, a model directory or its archive, and write the answers.

    FILES are CSV, Parquet, JSON lines or Arrow, compressed or not, folders of them, also with
    partitions (year=2024/), or their URIs, such as s3://bucket/prefix. A run that was ended goes
    on where it stopped, if the same command is given again.
    """
    from mlserver_forest.artifact.model_archive import opened_model
    from mlserver_forest.scoring.input_files import find_files
    from mlserver_forest.scoring.run import ScoringRun
    from mlserver_forest.scoring.scoring_options import ScoringOptions
    from mlserver_forest.scoring.scoring_target import target_of

    if report is not None and bad_rows != "skip":
        raise click.UsageError("--report is about rows that are left out; give --bad-rows skip")
    options = ScoringOptions(
        _listed(outputs), _listed(keep), extra == "ignore", bad_rows == "skip", header
    )
    try:
        found = find_files(files)
        target = target_of(out, format_name, found[0].format)
        with opened_model(model) as directory:
            run = ScoringRun(directory, found, options, target, report, _say)
            summary = _run(run, threads, cluster, overwrite=overwrite)
    except (ForestError, OSError) as error:
        _say(f"forest predict: {error}")
        sys.exit(1)
    for line in _lines(summary, out, report):
        _say(line)


def _run(
    run: "ScoringRun", threads: int | None, cluster: str | None, *, overwrite: bool
) -> "ScoringSummary":
    from mlserver_forest.resources import n_cpus

    if cluster:
        return run.on_cluster(cluster, overwrites=overwrite)
    return run.in_threads(threads or n_cpus(), overwrites=overwrite)


def _lines(summary: "ScoringSummary", out: str, report: Path | None) -> list[str]:
    lines = [f"{summary.n_rows:,} rows to {out} in {summary.seconds:,.1f} s"]
    if summary.n_earlier_parts:
        lines[0] += f"; {summary.n_earlier_parts} parts were there from an earlier run"
    if summary.bad_rows:
        told = f"; {report} names them" if report else ": " + summary.bad_rows[0].reason
        lines.append(f"{len(summary.bad_rows):,} rows could not be read and were left out{told}")
    return lines


def _listed(text: str) -> tuple[str, ...]:
    names = (name.strip() for name in text.split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def _say(line: str) -> None:
    click.echo(line, err=True)
