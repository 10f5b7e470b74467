"""The page: sections in a row, with the style and all plots in it, and nothing from outside."""

from collections.abc import Iterator
from importlib.resources import files

from mlserver_forest.look import base_style
from mlserver_forest.training.report import features, outcomes, overview, sureness
from mlserver_forest.training.report.drawn import OfClasses, OfNumbers
from mlserver_forest.training.report.facts import Facts
from mlserver_forest.training.report.learning import learning
from mlserver_forest.training.report.markup import Html, element, join, outside
from mlserver_forest.training.report.results import Results

# An empty icon, for which browsers would else ask the server.
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
"""


def page(facts: Facts, results: Results) -> str:
    """The whole page, the same for the same facts."""
    sections = [
        (title.lower().replace(" ", "-"), title, *body) for title, *body in _all(facts, results)
    ]
    links = {anchor: title for anchor, title, *_ in sections}
    style = base_style() + files(__package__).joinpath("page.css").read_text("utf-8")
    main = [
        element("section", element("h2", title, id=anchor), *body)
        for anchor, title, *body in sections
    ]
    version = facts.versions.get("mlserver-forest")
    made = join(["Made by mlserver-forest", Html(" "), outside(version) if version else ""])
    return (
        f"{_HEAD}{element('title', overview.title(facts))}\n<style>\n{style}</style>\n"
        "</head>\n<body>\n"
        f"{overview.header(facts, links)}\n{element('main', join(main))}\n"
        f"{element('footer', element('p', made))}\n</body>\n</html>\n"
    )


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
