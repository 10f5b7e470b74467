"""The report that training writes beside a model directory, found again by its metrics."""

import json
from dataclasses import dataclass
from pathlib import Path

from mlserver_forest.model.card import Card

REPORT_FILE = "report.html"
METRICS_FILE = "metrics.json"


@dataclass(frozen=True)
class ReportFiles:
    """The two files of a report.

    Attributes:
        html: the page.
        metrics: the text of metrics.json.
    """

    html: str
    metrics: str


def report_folder(directory: Path) -> Path:
    """The folder in which training writes the report of a model directory."""
    return directory.parent / "output" / "data"


def find_report(directory: Path, card: Card | None) -> ReportFiles | None:
    """The report of a model; None if there is none, or it describes another model.

    Args:
        directory: the model directory.
        card: of the model, whose metrics those of the report must be.
    """
    folder = report_folder(directory)
    try:
        metrics = (folder / METRICS_FILE).read_text("utf-8")
        html = (folder / REPORT_FILE).read_text("utf-8")
        found = json.loads(metrics)["metrics"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    known = card.metrics if card else {}
    if not html or found != {name: dict(values) for name, values in known.items()}:
        return None
    return ReportFiles(html, metrics)
