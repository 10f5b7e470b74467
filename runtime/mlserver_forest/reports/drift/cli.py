"""The command ``forest drift``."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlserver_forest.artifact.atomic_write import write_whole
from mlserver_forest.errors import ForestError

if TYPE_CHECKING:
    from mlserver_forest.reports.drift.findings import Finding, Findings

_FEW_ROWS = 500
_WIDEST = 40
_FAILED = 2


@click.command()
@click.argument("training", type=click.Path(exists=True, path_type=Path))
@click.argument("recent", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--target",
    default="0",
    show_default=True,
    help="The label's column, by name or position, as the hyperparameter has it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page that needs nothing from outside.",
)
@click.option(
    "--fail-above",
    type=click.FloatRange(min=0),
    help="Exit with 1 if an index is larger, such as 0.25.",
)
def drift(
    training: Path,
    recent: Path,
    target: str,
    as_json: bool,
    html: Path | None,
    fail_above: float | None,
) -> None:
    """Tell how far recent rows have drifted from those of training, feature by feature.

    TRAINING is the CSV file that a model learned from, or its model directory. RECENT is a
    CSV file with the same features, in the same order or named by a header, with or without
    the label. The exit code is 0, 1 above --fail-above, or 2 for what cannot be compared.
    """
    from mlserver_forest.reports.drift.findings import find
    from mlserver_forest.reports.drift.reading import read_recent, read_reference

    try:
        reference = read_reference(training, target)
        findings = find(reference, read_recent(recent, reference.schema, target))
        if html:
            from mlserver_forest.reports.drift.page import page

            write_whole(html, page(findings).encode())
    except (ForestError, OSError) as error:
        click.echo(f"forest drift: {error}", err=True)
        sys.exit(_FAILED)
    click.echo(_document(findings) if as_json else _table(findings))
    if fail_above is not None and findings.worst > fail_above:
        click.echo(f"forest drift: {findings.worst:.3f} is above {fail_above:g}", err=True)
        sys.exit(1)


def _table(findings: "Findings") -> str:
    head = ("feature", "psi", "reading", "missing before", "missing", "unseen", "out of range")
    found = [*findings.features, *([findings.prediction] if findings.prediction else [])]
    rows = [
        (
            _printable(row.name),
            f"{row.psi:.3f}",
            row.reading,
            *(
                f"{share:.1%}"
                for share in (row.missing_in_training, row.missing, row.unseen, row.out_of_range)
            ),
        )
        for row in found
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (head, *rows)]
    lines.append(f"{findings.n_recent:,} recent rows against {findings.n_training:,} of training")
    fewest = min(findings.n_recent, findings.n_training)
    if fewest < _FEW_ROWS:
        lines.append(f"{fewest} rows are few: much of the index may be chance")
    return "\n".join(lines)


def _document(findings: "Findings") -> str:
    from dataclasses import asdict

    def written(found: "Finding") -> dict[str, object]:
        return {**asdict(found), "reading": found.reading}

    whole = {
        "training": {"rows": findings.n_training},
        "recent": {"rows": findings.n_recent},
        "features": list(map(written, findings.features)),
        "prediction": written(findings.prediction) if findings.prediction else None,
    }
    return json.dumps(whole, indent=1, allow_nan=False)


def _printable(name: str) -> str:
    cut = name if len(name) <= _WIDEST else name[: _WIDEST - 1] + "…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in cut)
