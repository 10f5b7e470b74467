"""The comparison as a page, in the style of the training report."""

import math
from typing import Any

from markupsafe import Markup

from mlserver_forest import __version__
from mlserver_forest.reports.drift.feature_drift import LARGE, DriftResult, FeatureDrift
from mlserver_forest.reports.html.number_format import percent
from mlserver_forest.reports.html.templates import outside, render

_MOST_FEATURES = 500
_MOST_DISTRIBUTIONS = 12
# The bars are that of the largest index, and at least this.
_LONGEST = 2 * LARGE
_FEW_ROWS = 500


def page(result: DriftResult) -> str:
    """The whole page; equal results give equal bytes."""
    features = result.features[:_MOST_FEATURES]
    caption = "Features, the most drifted first"
    if len(features) < len(result.features):
        caption = f"The {len(features)} most drifted of {len(result.features):,} features"
    drifted = [found for found in result.features if found.reading != "stable"]
    longest = max(_LONGEST, result.worst)
    n_chance = sum(found.is_chance for found in drifted)
    return render(
        "drift/templates/drift.html",
        title="Drift: recent rows against training",
        version=__version__,
        few=_few(result),
        lead=_lead(result),
        key_figures=[
            (result.count("large"), "features with large drift"),
            (result.count("moderate"), "with moderate drift"),
            *([(n_chance, "may be chance")] if n_chance else []),
            (len(result.features) - len(drifted), "stable"),
            (result.n_recent, "recent rows"),
        ],
        alarm=_alarm(result),
        caption=caption,
        features=[_feature(found, longest) for found in features],
        prediction=_shares(result.prediction) if result.prediction else None,
        drifted=[_shares(found) for found in drifted[:_MOST_DISTRIBUTIONS]],
    )


def _few(result: DriftResult) -> str:
    """What comes before any reading if there are few rows; else nothing."""
    if result.fewest_rows >= _FEW_ROWS:
        return ""
    which = "recent" if result.n_recent <= result.n_training else "training"
    return (
        f"There are only {result.fewest_rows:,} {which} rows. With so few, an index may be large "
        "by chance alone: each feature says below up to which index it may be chance."
    )


def _alarm(result: DriftResult) -> str:
    """The class of the first key figure, in the colour of the worst reading."""
    return next((name for name in ("large", "moderate") if result.count(name)), "stable")


def _lead(result: DriftResult) -> Markup:
    worst = result.features[0]
    return Markup(
        "{:,} recent rows are compared with {:,} training rows. The largest index is {:.3f} "
        "({}), that of {}."
    ).format(result.n_recent, result.n_training, worst.psi, _reading(worst), outside(worst.name))


def _reading(found: FeatureDrift) -> str:
    is_doubtful = found.is_chance and found.reading != "stable"
    return f"{found.reading}, may be chance" if is_doubtful else found.reading


def _feature(found: FeatureDrift, longest: float) -> dict[str, Any]:
    """A line for a feature: its index, what that means, and what else has changed."""
    changes = [
        f"missing {percent(found.missing)}, in training {percent(found.missing_in_training)}"
        if found.missing or found.missing_in_training
        else "",
        f"categories that training did not see {percent(found.unseen)}" if found.unseen else "",
        f"out of range {percent(found.out_of_range)}" if found.out_of_range else "",
        f"an index up to {found.chance:.3f} may be chance" if found.reading != "stable" else "",
    ]
    return {
        "name": found.name,
        "changes": "; ".join(filter(None, changes)),
        # Square roots, because an index of 5 would hide one of 0.25, which is large as well.
        "share": math.sqrt(found.psi / longest),
        "psi": found.psi,
        "reading": _reading(found),
        "kind": "chance" if found.is_chance else found.reading,
    }


def _shares(found: FeatureDrift) -> dict[str, Any]:
    """The shares of a feature's bins side by side; bins that are empty in both are left out."""
    bins = [entry for entry in found.bins if entry.training or entry.recent]
    return {
        "name": found.name,
        "bins": bins,
        "longest": max(max(entry.training, entry.recent) for entry in bins),
        "caption": f"PSI {found.psi:.3f}, {_reading(found)}",
    }
