"""The comparison as a page, in the style of the training report."""

from mlserver_forest import __version__
from mlserver_forest.reports.drift.findings import LARGE, Finding, Findings
from mlserver_forest.reports.html.html_page import frame
from mlserver_forest.reports.html.markup import (
    Html,
    element,
    join,
    measured,
    outside,
    percent,
    table,
    text,
)

_MOST_FEATURES = 500
_MOST_SHOWN = 12
_TITLE = "Drift: recent rows against training"
# Bars are as long as the index up to here.
_LONGEST = 2 * LARGE


def page(findings: Findings) -> str:
    """The whole page, the same for the same findings."""
    sections = [("features", "Features", _features(findings))]
    if findings.prediction:
        sections.append(("predictions", "Predictions", _shares(findings.prediction)))
    drifted = [found for found in findings.features if found.reading != "stable"]
    if drifted:
        shown = join(map(_shares, drifted[:_MOST_SHOWN]))
        sections.append(("distributions", "Distributions", shown))
    return frame(_TITLE, _header(findings), sections, __version__)


def _header(findings: Findings) -> Html:
    worst = findings.features[0]
    lead = join(
        [
            f"{findings.n_recent:,} recent rows against {findings.n_training:,} of training.",
            f"The largest index of a feature is {worst.psi:.3f}, {worst.reading}:",
            outside(worst.name),
        ]
    )
    pairs = [
        (findings.count("large"), "features with large drift"),
        (findings.count("moderate"), "with moderate drift"),
        (findings.count("stable"), "stable"),
        (findings.n_recent, "recent rows"),
    ]
    figures = [
        element(
            "div",
            element("dt", label),
            element("dd", text(value)),
            class_=None if place else "first",
        )
        for place, (value, label) in enumerate(pairs)
    ]
    return element(
        "header",
        element("h1", _TITLE),
        element("p", lead, class_="lead"),
        element("dl", *figures, class_="figures"),
    )


def _features(findings: Findings) -> Html:
    shown = findings.features[:_MOST_FEATURES]
    caption = "The features, the most drifted first"
    if len(shown) < len(findings.features):
        caption = f"The {len(shown)} most drifted of {len(findings.features):,} features"
    head = ["Feature", "PSI", "", "Missing before", "Missing", "Unseen", "Out of range"]
    rows = [
        [
            outside(found.name),
            measured(found.psi / _LONGEST, f"{found.psi:.3f}"),
            found.reading,
            *map(
                percent,
                (found.missing_in_training, found.missing, found.unseen, found.out_of_range),
            ),
        ]
        for found in shown
    ]
    note = (
        "PSI is the population stability index over ten bins of equal share in training, or a "
        "bin a word: below 0.1 stable, up to 0.25 moderate, above that large. Of few rows it "
        "is noise: of 500 about 0.02 without any drift."
    )
    return join(
        [
            table(caption, head, rows, (1, 3, 4, 5, 6), "fill"),
            element("p", note, class_="note"),
        ]
    )


def _shares(found: Finding) -> Html:
    """The bins' shares side by side; of what never comes there is no row."""
    bins = [entry for entry in found.bins if entry.training or entry.recent]
    longest = max(max(entry.training, entry.recent) for entry in bins)
    rows = [
        [
            outside(entry.values),
            measured(entry.training / longest, percent(entry.training), "bar second"),
            measured(entry.recent / longest, percent(entry.recent)),
        ]
        for entry in bins
    ]
    caption = join([outside(found.name), f"PSI {found.psi:.3f}, {found.reading}"])
    return table(caption, ["Values", "Training", "Recent"], rows, (1, 2), "importances fill")
