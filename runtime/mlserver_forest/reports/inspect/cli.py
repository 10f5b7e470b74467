"""The command ``forest inspect``."""

import json
import sys
from pathlib import Path

import click

from mlserver_forest.errors import ForestError


@click.command()
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def inspect(model: Path, as_json: bool) -> None:
    """Show what a model directory holds.

    What it predicts, from which columns, how good it is, how it was made, how large it is, and
    what it can answer. MODEL is a model directory; its files are verified.
    """
    from mlserver_forest.reports.inspect.model_summary import ModelSummary

    try:
        summary = ModelSummary.of(model)
    except (ForestError, OSError) as error:
        click.echo(f"forest inspect: {error}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(summary.as_json(), indent=1, allow_nan=False))
    else:
        click.echo("\n".join(summary.lines()))
