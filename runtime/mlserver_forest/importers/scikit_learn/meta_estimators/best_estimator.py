"""Searches and frozen estimators, which answer as the estimator in them does."""

from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.estimator_part import EstimatorPart, ReadMember

# The attribute that holds the estimator, by class.
INNER = {
    "GridSearchCV": "best_estimator_",
    "RandomizedSearchCV": "best_estimator_",
    "HalvingGridSearchCV": "best_estimator_",
    "HalvingRandomSearchCV": "best_estimator_",
    "FrozenEstimator": "estimator",
}


def read_best_estimator(estimator: Record, read: ReadMember) -> EstimatorPart:
    """The estimator that a search refitted, or that was frozen."""
    return read(estimator.require(INNER[estimator.name]))
