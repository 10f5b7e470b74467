"""The model card of a training job."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from mlserver_forest.model.card import Card
from mlserver_forest.reports.training.importances import Importances
from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters
from mlserver_forest.training.data.job_data import Data
from mlserver_forest.training.fitting.job_fitter import FittedModel


def card_of(
    chosen: Hyperparameters,
    data: Data,
    model: FittedModel,
    metrics: Mapping[str, Mapping[str, float]],
    importances: Importances | None = None,
) -> Card:
    """Make the card of a model that has just been trained.

    Args:
        chosen: the hyperparameters.
        data: the rows that the model learned from.
        model: the model.
        metrics: the metrics that are known, by set of rows, then by name.
        importances: the importances in the report; if None, the card has the library's own.
    """
    shown: dict[str, Any] = {}
    impurity = model.importances
    if importances is not None:
        shown = {"measure": importances.measure, "measured_on": importances.prefix}
        values = importances.permutation
        ranking = importances.ranking()
    elif impurity is not None:
        shown = {"measure": "impurity", "measured_on": "train"}
        values = np.nan_to_num(np.asarray(impurity, np.float64))
        ranking = np.argsort(-values, kind="stable")
    if shown:
        shown["importances"] = {
            data.table.names[i]: float(values[i]) for i in ranking if np.isfinite(values[i])
        }
    return Card(
        algorithm=chosen.algorithm.name,
        trained=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        n_rows=len(data.training),
        metrics=metrics,
        title=chosen.algorithm.title,
        target=data.table.layout.target_name,
        target_title=data.table.layout.target_title,
        notes=tuple(note.line for note in data.notes),
        ignored=data.table.layout.skipped,
        **shown,
    )
