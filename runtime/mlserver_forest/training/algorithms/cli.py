"""``forest hyperparameters``: the hyperparameters that a training job may set."""

import click

from mlserver_forest.training.algorithms.hyperparameter_table import (
    NAMES,
    as_json,
    as_markdown,
    as_text,
)


@click.command()
@click.argument("algorithm", type=click.Choice(NAMES), required=False)
@click.option("--json", "form", flag_value="json", help="As a JSON object.")
@click.option(
    "--markdown", "form", flag_value="markdown", help="As the tables of docs/hyperparameters.md."
)
def hyperparameters(algorithm: str | None, form: str | None) -> None:
    """List the hyperparameters of one algorithm, or of all: values, default, meaning.

    "common" lists those that all algorithms share.
    """
    names = NAMES if algorithm is None else (algorithm,)
    click.echo({"json": as_json, "markdown": as_markdown}.get(form or "", as_text)(names))
