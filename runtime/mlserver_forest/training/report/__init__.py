"""The job's report: report.html for a person, and metrics.json for a program."""

from mlserver_forest.training.report.facts import Facts
from mlserver_forest.training.report.writing import warnings_of, write_report

__all__ = ["Facts", "warnings_of", "write_report"]
