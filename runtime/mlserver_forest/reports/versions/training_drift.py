"""How far the training rows of one model have drifted from those of another."""

from dataclasses import dataclass

import numpy as np

from mlserver_forest.insight.baseline import Baseline
from mlserver_forest.model.model import Model
from mlserver_forest.reports.drift.chance import chance_level
from mlserver_forest.reports.drift.feature_drift import LARGE, MODERATE
from mlserver_forest.reports.versions.rebinned_shares import (
    Shares,
    rebinned_categories,
    rebinned_numbers,
    rebinned_targets,
)


@dataclass(frozen=True)
class ColumnDrift:
    """The drift of a feature, or of the predictions of the training rows.

    Attributes:
        name: the feature, or "prediction".
        psi: the population stability index.
        chance: the index that one of twenty tables of these sizes exceeds without any drift.
    """

    name: str
    psi: float
    chance: float

    @property
    def reading(self) -> str:
        """The usual interpretation of the index."""
        if self.psi < MODERATE:
            return "stable"
        word = "moderate" if self.psi <= LARGE else "large"
        return f"{word}, may be chance" if self.psi <= self.chance else word


@dataclass(frozen=True)
class TrainingDrift:
    """What has changed in the training rows.

    Attributes:
        n_before, n_after: the numbers of training rows.
        columns: the drift of each feature that both have, the largest first.
        added, removed: features that only one of them has.
        not_compared: a line for each feature that cannot be compared, with the reason.
    """

    n_before: int
    n_after: int
    columns: tuple[ColumnDrift, ...]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()


def find_training_drift(before: Model, after: Model) -> TrainingDrift | str:
    """Compare the baselines of two models.

    Args:
        before: the model that is approved now.
        after: the other one.

    Returns:
        The drift, or a text that says why there is none to tell.
    """
    first, second = before.baseline, after.baseline
    if first is None or second is None:
        who = "the approved version" if first is None else "the new version"
        return f"{who} has no baseline of its training rows"
    columns, refused = _features(before, after, first, second)
    predictions = _predictions(before, after, first, second)
    if isinstance(predictions, str):
        refused = [*refused, predictions]
    else:
        columns = [*columns, predictions]
    old, new = before.schema.feature_names, after.schema.feature_names
    return TrainingDrift(
        first.n_rows,
        second.n_rows,
        tuple(sorted(columns, key=lambda one: -one.psi)),
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        not_compared=tuple(refused),
    )


def _features(
    before: Model, after: Model, first: Baseline, second: Baseline
) -> tuple[list[ColumnDrift], list[str]]:
    places = {name: place for place, name in enumerate(after.schema.feature_names)}
    counts = first.features.shares.copy()
    compared, refused = [], []
    for column, name in enumerate(before.schema.feature_names):
        if name not in places:
            continue
        shares = _shares(before, after, (first, second), (column, places[name]), name)
        if isinstance(shares, str):
            refused.append(f"{name}: {shares}")
            continue
        counts[slice(*first.features.starts[column : column + 2])] = shares
        compared.append((column, name))
    indices = first.features.stability_index(counts)
    chance = chance_level(first.features, first.n_rows, second.n_rows)
    found = [ColumnDrift(name, float(indices[i]), float(chance[i])) for i, name in compared]
    return found, refused


def _shares(
    before: Model,
    after: Model,
    baselines: tuple[Baseline, Baseline],
    columns: tuple[int, int],
    name: str,
) -> Shares | str:
    old, new = (one.schema.categories.get(name) for one in (before, after))
    if (old is None) != (new is None):
        was, now = ("a category" if one else "a number" for one in (old, new))
        return f"it was {was}, and is {now}"
    if old is None or new is None:
        return rebinned_numbers(baselines[0].features, baselines[1], columns)
    if old.is_hashed or new.is_hashed:
        return "its categories are hashed"
    features = (baselines[0].features, baselines[1].features)
    return rebinned_categories(*features, columns, (old.names, new.names))


def _predictions(
    before: Model, after: Model, first: Baseline, second: Baseline
) -> ColumnDrift | str:
    """The drift of what each model predicts for its own training rows."""
    old, new = first.predictions, second.predictions
    classes = [list(map(str, one.schema.classes)) for one in (before, after)]
    if old.n_columns != 1 or new.n_columns != 1 or bool(classes[0]) != bool(classes[1]):
        return "the predictions: their kinds differ, or there are several targets"
    if classes[0]:
        shares = rebinned_categories(old, new, (0, 0), (classes[0], classes[1]))
    else:
        shares = rebinned_targets(old, new, 0)
    index = old.stability_index(np.asarray(shares))
    chance = chance_level(old, first.n_rows, second.n_rows)
    return ColumnDrift("prediction", float(index[0]), float(chance[0]))
