"""The model's card, from what the job knows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from mlserver_forest.model.card import Card
from mlserver_forest.reports.training.importances import Importances
from mlserver_forest.training.algorithms import Hyperparameters
from mlserver_forest.training.data.job_data import Data
from mlserver_forest.training.fitting.job_fitting import Fitted


def card_of(
    chosen: Hyperparameters,
    data: Data,
    fitted: Fitted,
    metrics: Mapping[str, Mapping[str, float]],
    importances: Importances | None = None,
) -> Card:
    """What was trained just now.

    Args:
        chosen: of the job.
        data: what it learned from.
        fitted: the model.
        metrics: by set of rows, as far as they are known.
        importances: of the report, if there is one; else those of the algorithm are told.
    """
    told: dict[str, Any] = {}
    impurity = getattr(fitted.grown.estimator, "feature_importances_", None)
    if importances is not None:
        told = {"measure": importances.measure, "measured_on": importances.prefix}
        values = importances.permutation
        ranking = importances.ranking()
    elif impurity is not None:
        told = {"measure": "impurity", "measured_on": "train"}
        values = np.nan_to_num(np.asarray(impurity, np.float64))
        ranking = np.argsort(-values, kind="stable")
    if told:
        told["importances"] = {
            data.table.names[i]: float(values[i]) for i in ranking if np.isfinite(values[i])
        }
    return Card(
        algorithm=chosen.job.algorithm,
        trained=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        n_rows=len(data.training),
        metrics=metrics,
        **told,
    )
