"""The report's page: its sections, with all plots in them."""

from collections.abc import Iterator

from mlserver_forest.look.frame import frame
from mlserver_forest.look.markup import Html
from mlserver_forest.training.report import features, outcomes, overview, sureness
from mlserver_forest.training.report.drawn import OfClasses, OfNumbers
from mlserver_forest.training.report.facts import Facts
from mlserver_forest.training.report.learning import learning
from mlserver_forest.training.report.results import Results


def page(facts: Facts, results: Results) -> str:
    """The whole page, the same for the same facts."""
    sections = [
        (title.lower().replace(" ", "-"), title, *body) for title, *body in _all(facts, results)
    ]
    links = {anchor: title for anchor, title, *_ in sections}
    version = facts.versions.get("mlserver-forest")
    return frame(overview.title(facts), overview.header(facts, links), sections, version)


def _all(facts: Facts, results: Results) -> Iterator[tuple[str, Html] | tuple[str, Html, Html]]:
    """Titles, and what stands under them."""
    yield "Warnings", overview.warnings(facts)
    yield "Metrics", overview.metrics(facts)
    if facts.sureness is not None:
        yield sureness.title(facts.sureness), sureness.coverage(facts.sureness)
    found = results.outcome
    if isinstance(found, OfClasses):
        where = overview.SETS[facts.drawn or ""]
        yield "Confusion matrix", outcomes.confusion(found.confusion, where)
        yield (
            "ROC and precision-recall",
            outcomes.drawn_from(facts, found.n_sampled),
            outcomes.curves(found, facts),
        )
        yield (
            "Calibration",
            outcomes.drawn_from(facts, found.n_sampled),
            outcomes.calibration(found, facts),
        )
    if isinstance(found, OfNumbers):
        n_rows = len(facts.sets[facts.drawn or ""][0])
        yield (
            "Predictions and residuals",
            outcomes.drawn_from(facts),
            outcomes.numbers(found, n_rows),
        )
    yield "Feature importances", features.importances(results.importances, facts.names)
    yield "Learning curve", learning(facts)
    yield "Data", features.data(facts)
    yield "Settings", overview.settings(facts)
