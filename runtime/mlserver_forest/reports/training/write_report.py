"""The files of the report, each of which is written whole or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlserver_forest.artifact.atomic_write import remove_temporary_files, write_whole
from mlserver_forest.errors import InvalidEnvironment
from mlserver_forest.optional_library import require
from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.metrics_json import document
from mlserver_forest.reports.training.monitor_baseline import constraints, statistics
from mlserver_forest.reports.training.report_page import page
from mlserver_forest.reports.training.results import Results, results_of

METRICS_FILE = "metrics.json"
PAGE_FILE = "report.html"
STATISTICS_FILE = "statistics.json"
CONSTRAINTS_FILE = "constraints.json"


def write_report(directory: Path, facts: Facts, results: Results | None = None) -> None:
    """Write metrics.json, report.html and Model Monitor's statistics.json and constraints.json.

    The same facts give the same bytes.

    Args:
        directory: output/data; it is created if missing, and earlier files are replaced.
        facts: the facts of the job.
        results: the results of these facts, if they have been computed.

    Raises:
        InvalidEnvironment: if the folder cannot be written to, or matplotlib is not installed.
    """
    require("matplotlib", "train")
    results = results or results_of(facts)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _temporary_files(directory):
            texts = {
                METRICS_FILE: document(facts, results),
                PAGE_FILE: page(facts, results),
                STATISTICS_FILE: statistics(facts),
                CONSTRAINTS_FILE: constraints(facts),
            }
        for name, text in texts.items():
            write_whole(directory / name, text.encode())
    except OSError as error:
        raise InvalidEnvironment(
            f"the report's folder {directory} cannot be written: {error.strerror}; "
            "make it writable, or set the hyperparameter report=false"
        ) from error


def remove_report(directory: Path) -> None:
    """Remove an earlier report, and what was left of one that was interrupted.

    A folder that cannot be changed is left alone: a model is worth more than its report.
    """
    with suppress(OSError):
        for name in (METRICS_FILE, PAGE_FILE, STATISTICS_FILE, CONSTRAINTS_FILE):
            (directory / name).unlink(missing_ok=True)
        remove_temporary_files(directory)


def warnings_of(facts: Facts) -> tuple[str, ...]:
    """What the rows show, a line each, the most serious first; the notes are not among them."""
    return tuple(f"{found.title}: {found.text}" for found in facts.inspection.findings)


@contextmanager
def _temporary_files(directory: Path) -> Iterator[None]:
    """Provide a temporary folder, which matplotlib requires, if the system has none."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        with tempfile.TemporaryDirectory(prefix=".matplotlib-", dir=directory) as folder:
            tempfile.tempdir = folder
            try:
                yield
            finally:
                tempfile.tempdir = None
    else:
        yield
