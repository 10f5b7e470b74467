"""The report's page: its sections, with all plots in them."""

from collections.abc import Iterator

from mlserver_forest.reports.html.html_page import frame
from mlserver_forest.reports.html.markup import Html
from mlserver_forest.reports.training import (
    answers_section,
    coverage_section,
    features_section,
    overview_section,
)
from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.learning_section import learning
from mlserver_forest.reports.training.plot_data import OfClasses, OfNumbers
from mlserver_forest.reports.training.results import Results


def page(facts: Facts, results: Results) -> str:
    """The whole page, the same for the same facts."""
    sections = [
        (title.lower().replace(" ", "-"), title, *body) for title, *body in _all(facts, results)
    ]
    links = {anchor: title for anchor, title, *_ in sections}
    version = facts.versions.get("mlserver-forest")
    return frame(
        overview_section.title(facts), overview_section.header(facts, links), sections, version
    )


def _all(facts: Facts, results: Results) -> Iterator[tuple[str, Html] | tuple[str, Html, Html]]:
    """Titles, and what stands under them."""
    yield "Warnings", overview_section.warnings(facts)
    yield "Metrics", overview_section.metrics(facts)
    if facts.sureness is not None:
        yield coverage_section.title(facts.sureness), coverage_section.coverage(facts.sureness)
    found = results.outcome
    if isinstance(found, OfClasses):
        where = overview_section.SETS[facts.drawn or ""]
        yield "Confusion matrix", answers_section.confusion(found.confusion, where)
        yield (
            "ROC and precision-recall",
            answers_section.drawn_from(facts, found.n_sampled),
            answers_section.curves(found, facts),
        )
        yield (
            "Calibration",
            answers_section.drawn_from(facts, found.n_sampled),
            answers_section.calibration(found, facts),
        )
    if isinstance(found, OfNumbers):
        n_rows = len(facts.sets[facts.drawn or ""][0])
        yield (
            "Predictions and residuals",
            answers_section.drawn_from(facts),
            answers_section.numbers(found, n_rows),
        )
    yield "Feature importances", features_section.importances(results.importances, facts.names)
    yield "Learning curve", learning(facts)
    yield "Data", features_section.data(facts)
    yield "Settings", overview_section.settings(facts)
