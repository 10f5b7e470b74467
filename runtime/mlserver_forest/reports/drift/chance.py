"""How large the population stability index of few rows becomes without any drift."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.insight.histograms import Histograms

_N_TABLES = 200
_LEVEL = 0.95


def chance_level(histograms: Histograms, n_training: int, n_recent: int) -> NDArray[np.float64]:
    """The index that one of twenty tables exceeds although nothing has changed, for each column.

    Tables of both sizes are drawn from the shares in training. A formula would be too small where
    recent rows leave bins empty, as with many categories and few rows.

    Args:
        histograms: the histograms of the training rows.
        n_training: the number of training rows.
        n_recent: the number of recent rows, at least 1.

    Returns:
        float64 (n_columns,).
    """
    rng = np.random.default_rng(0)
    counts = np.empty((_N_TABLES, histograms.shares.size))
    for start, end in pairwise(histograms.starts.tolist()):
        shares = histograms.shares[start:end] / histograms.shares[start:end].sum()
        true_shares = rng.multinomial(n_training, shares, size=_N_TABLES) / n_training
        counts[:, start:end] = rng.multinomial(n_recent, true_shares)
    indices = [histograms.stability_index(row) for row in counts]
    return np.asarray(np.quantile(indices, _LEVEL, axis=0))
