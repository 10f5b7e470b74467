"""The command ``forest drift``."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlserver_forest.artifact.atomic_write import write_whole
from mlserver_forest.errors import ForestError
from mlserver_forest.reports.html.number_format import printable

if TYPE_CHECKING:
    from mlserver_forest.reports.drift.feature_drift import DriftResult, FeatureDrift

_FEW_ROWS = 500
_CHANCE = ", may be chance"
_WIDEST = 40
_FAILED = 2


@click.command()
@click.argument("training", type=click.Path(exists=True, path_type=Path))
@click.argument("recent", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--target",
    default="0",
    show_default=True,
    help="The column of the label, by name or position, like the hyperparameter.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page that loads nothing from elsewhere.",
)
@click.option(
    "--fail-above",
    type=click.FloatRange(min=0),
    help="Exit with code 1 if an index is larger, such as 0.25.",
)
def drift(
    training: Path,
    recent: Path,
    target: str,
    as_json: bool,
    html: Path | None,
    fail_above: float | None,
) -> None:
    """Measure how far recent rows have drifted from the training rows, feature by feature.

    TRAINING is the CSV file that a model learned from, or its model directory. RECENT is a
    CSV file with the same features, in the same order or named by a header, with or without
    the label. The exit code is 0, 1 above --fail-above, or 2 if the tables cannot be compared.
    """
    from mlserver_forest.reports.drift.feature_drift import find
    from mlserver_forest.reports.drift.reference import read_recent, read_reference

    try:
        reference = read_reference(training, target)
        result = find(reference, read_recent(recent, reference.schema, target))
        if html:
            from mlserver_forest.reports.drift.page import page

            write_whole(html, page(result).encode())
    except (ForestError, OSError) as error:
        click.echo(f"forest drift: {error}", err=True)
        sys.exit(_FAILED)
    click.echo(_document(result) if as_json else _table(result))
    if fail_above is not None and result.worst > fail_above:
        click.echo(f"forest drift: {result.worst:.3f} is above {fail_above:g}", err=True)
        sys.exit(1)


def _table(result: "DriftResult") -> str:
    head = ("feature", "psi", "reading", "missing before", "missing", "unseen", "out of range")
    found = [*result.features, *([result.prediction] if result.prediction else [])]
    rows = [
        (
            printable(row.name, _WIDEST),
            f"{row.psi:.3f}",
            row.reading + (_CHANCE if row.is_chance and row.reading != "stable" else ""),
            *(
                f"{share:.1%}"
                for share in (row.missing_in_training, row.missing, row.unseen, row.out_of_range)
            ),
        )
        for row in found
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (head, *rows)]
    lines.append(f"{result.n_recent:,} recent rows against {result.n_training:,} training rows")
    fewest = result.fewest_rows
    if fewest < _FEW_ROWS:
        lines.insert(0, f"With only {fewest} rows, much of this drift may be chance.")
    return "\n".join(lines)


def _document(result: "DriftResult") -> str:
    from dataclasses import asdict

    def written(found: "FeatureDrift") -> dict[str, object]:
        return {**asdict(found), "reading": found.reading}

    whole = {
        "training": {"rows": result.n_training},
        "recent": {"rows": result.n_recent},
        "features": list(map(written, result.features)),
        "prediction": written(result.prediction) if result.prediction else None,
    }
    return json.dumps(whole, indent=1, allow_nan=False)
