"""How the metrics went while trees were grown or rounds were boosted."""

from collections.abc import Sequence

import numpy as np

from mlserver_forest.reports.html.markup import Html, element, figure, join, outside
from mlserver_forest.reports.training import plots
from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.overview_section import SETS, called

_MOST_PLOTS = 4


def learning(facts: Facts) -> Html:
    """A plot for each metric, the training set muted and the others in front."""
    metrics = dict.fromkeys(_metric(name) for _, found in facts.curve for name in found)
    drawn = [(called(metric), lines) for metric in metrics if (lines := _lines(facts, metric))]
    if not drawn or len(facts.curve) < 2:
        return element("p", f"Nothing was measured by the number of {facts.unit}.")
    figures = [
        figure(name, _key(list(lines)), plots.learning(f"learning-{i}", name, facts.unit, lines))
        for i, (name, lines) in enumerate(drawn[:_MOST_PLOTS])
    ]
    return element("div", *figures, class_="plots")


def _metric(name: str) -> str:
    return name.rpartition(":")[2]


def _lines(facts: Facts, metric: str) -> dict[str, tuple[list[int], list[float]]]:
    """By set, numbers of trees and values; the training set first, thus in the background."""
    lines: dict[str, tuple[list[int], list[float]]] = {}
    for count, found in facts.curve:
        for name, value in found.items():
            if _metric(name) == metric and np.isfinite(value):
                counts, values = lines.setdefault(name.rpartition(":")[0], ([], []))
                counts.append(count)
                values.append(value)
    return dict(sorted(lines.items(), key=lambda line: line[0] != "train"))


def _key(prefixes: Sequence[str]) -> Html:
    """Which line is which set."""
    dashes = ["none", "8 4", "2 4", "10 4 2 4"]
    styles = [("var(--muted)", dashes[i % len(dashes)]) for i in range(len(prefixes) - 1)]
    return join(
        Html(
            f'<span class="key"><svg viewBox="0 0 32 12" aria-hidden="true"><path d="M1 6H31" '
            f'fill="none" stroke="{colour}" stroke-width="3" stroke-dasharray="{dash}"/></svg>'
            f"{outside(SETS.get(prefix, prefix))}</span>"
        )
        for prefix, (colour, dash) in zip(
            prefixes, [*styles, ("var(--accent)", "none")], strict=True
        )
    )
