"""The job's report: report.html for a person, and metrics.json for a program."""

from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.write_report import warnings_of, write_report

__all__ = ["Facts", "warnings_of", "write_report"]
