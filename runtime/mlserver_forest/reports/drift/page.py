"""The comparison as a page, in the style of the training report."""

from typing import Any

from markupsafe import Markup

from mlserver_forest import __version__
from mlserver_forest.reports.drift.feature_drift import LARGE, DriftResult, FeatureDrift
from mlserver_forest.reports.html.templates import outside, render

_MOST_FEATURES = 500
_MOST_DISTRIBUTIONS = 12
# Bars grow with the index up to this value.
_LONGEST = 2 * LARGE


def page(result: DriftResult) -> str:
    """The whole page; equal results give equal bytes."""
    features = result.features[:_MOST_FEATURES]
    caption = "Features, the most drifted first"
    if len(features) < len(result.features):
        caption = f"The {len(features)} most drifted of {len(result.features):,} features"
    drifted = [found for found in result.features if found.reading != "stable"]
    return render(
        "drift/templates/drift.html",
        title="Drift: recent rows against training",
        version=__version__,
        lead=_lead(result),
        key_figures=[
            (result.count("large"), "features with large drift"),
            (result.count("moderate"), "with moderate drift"),
            (result.count("stable"), "stable"),
            (result.n_recent, "recent rows"),
        ],
        caption=caption,
        features=features,
        longest=_LONGEST,
        prediction=_shares(result.prediction) if result.prediction else None,
        drifted=[_shares(found) for found in drifted[:_MOST_DISTRIBUTIONS]],
    )


def _lead(result: DriftResult) -> Markup:
    worst = result.features[0]
    return Markup(
        "{:,} recent rows are compared with {:,} training rows. The largest index is {:.3f} "
        "({}), that of {}."
    ).format(result.n_recent, result.n_training, worst.psi, worst.reading, outside(worst.name))


def _shares(found: FeatureDrift) -> dict[str, Any]:
    """The shares of a feature's bins side by side; bins that are empty in both are left out."""
    bins = [entry for entry in found.bins if entry.training or entry.recent]
    return {
        "bins": bins,
        "longest": max(max(entry.training, entry.recent) for entry in bins),
        "caption": Markup("{}\nPSI {:.3f}, {}").format(
            outside(found.name), found.psi, found.reading
        ),
    }
