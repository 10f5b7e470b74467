"""The command ``forest evaluate``."""

import json
import sys
from pathlib import Path

import click

from mlserver_forest.errors import ForestError


@click.command()
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--target", required=True, metavar="NAME", help="The column of the known targets.")
@click.option("--by", metavar="COLUMN", help="Divide the rows by the values of this column, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def evaluate(model: Path, file: Path, target: str, by: str | None, as_json: bool) -> None:
    """Measure how good a model is on rows whose targets are known.

    MODEL is a model directory. FILE has a header or names its columns otherwise: CSV, Parquet,
    JSON lines or Arrow, which may be compressed. It has the model's features and the target; other
    columns are skipped. Metrics, calibration and the coverage of intervals are printed.
    """
    from mlserver_forest.artifact.model_directory import load
    from mlserver_forest.engine.threads import KernelThreads
    from mlserver_forest.evaluation.command.labeled_file import LabeledFile
    from mlserver_forest.evaluation.model_evaluation import evaluate_model
    from mlserver_forest.model.compile_ahead import preparing
    from mlserver_forest.resources import n_cpus

    try:
        loaded = load(model, preparing(explains=False))
        rows = LabeledFile(file, loaded.schema, [target, by] if by else [target])
        found = evaluate_model(
            loaded,
            rows.x,
            rows.columns[target],
            target=target,
            by=by or "",
            by_values=rows.columns[by] if by else (),
            threads=KernelThreads(n_cpus()),
        )
    except (ForestError, OSError) as error:
        click.echo(f"forest evaluate: {error}", err=True)
        sys.exit(getattr(error, "exit_code", 1))
    click.echo(json.dumps(found.to_json(), indent=1, allow_nan=False) if as_json else str(found))
