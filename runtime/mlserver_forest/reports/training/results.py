"""What the report computes from predictions, once for the page and for metrics.json."""

from dataclasses import dataclass

from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.importances import Importances, importances
from mlserver_forest.reports.training.partial_dependence import Dependences, dependences
from mlserver_forest.reports.training.plot_data import (
    ClassificationPlots,
    RegressionPlots,
    classification_plots,
    regression_plots,
)
from mlserver_forest.reports.training.worst_segments import Segments, segments


@dataclass(frozen=True, eq=False)
class Results:
    """The computed parts of the report.

    Attributes:
        outcome: predictions as the plots show them, or None without evaluated rows.
        importances: the importances of the features.
        segments: the segments with the worst errors; None if there are few rows.
        dependences: the partial dependence on the most important features.
    """

    outcome: ClassificationPlots | RegressionPlots | None
    importances: Importances
    segments: Segments | None
    dependences: Dependences


def results_of(facts: Facts) -> Results:
    """Compute the results of a job's facts."""
    found = importances(facts)
    return Results(_outcome(facts), found, segments(facts, found), dependences(facts, found))


def _outcome(facts: Facts) -> ClassificationPlots | RegressionPlots | None:
    if facts.plotted_set is None:
        return None
    y, answers = facts.sets[facts.plotted_set]
    if facts.kind == "classification":
        return classification_plots(y, answers, facts.classes, facts.rule)
    return regression_plots(y, answers)
