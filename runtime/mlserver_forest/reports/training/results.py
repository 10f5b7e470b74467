"""What the report computes with the model's answers, once for the page and for metrics.json."""

from dataclasses import dataclass

from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.importances import Importances, importances
from mlserver_forest.reports.training.plot_data import OfClasses, OfNumbers, of_classes, of_numbers


@dataclass(frozen=True, eq=False)
class Results:
    """Of the set that is drawn: answers as plots show them, or None; and the importances."""

    outcome: OfClasses | OfNumbers | None
    importances: Importances


def results_of(facts: Facts) -> Results:
    return Results(_outcome(facts), importances(facts))


def _outcome(facts: Facts) -> OfClasses | OfNumbers | None:
    if facts.drawn is None:
        return None
    y, answers = facts.sets[facts.drawn]
    if facts.kind == "classification":
        return of_classes(y, answers, facts.classes)
    return of_numbers(y, answers)
