"""Searches and frozen estimators, which answer as the estimator in them does."""

from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.estimator_part import EstimatorPart, ReadMember


def read_best_estimator(estimator: Record, read: ReadMember) -> EstimatorPart:
    """The estimator that a search refitted, or that was frozen."""
    best = estimator.get("best_estimator_")
    return read(estimator.require("estimator") if best is None else best)
