"""Boosting with a library that calls back after each round."""

from collections.abc import Callable, Mapping
from typing import Any

from mlserver_forest.training.fitting.checkpoints import Checkpoints
from mlserver_forest.training.fitting.fit_context import FitContext
from mlserver_forest.training.fitting.fit_result import Curve
from mlserver_forest.training.fitting.progress import Progress
from mlserver_forest.training.fitting.stopping import Stop


class BoostingRounds:
    """Records each round: its metrics, the progress and a checkpoint.

    Args:
        progress: is updated after each round.
        stop: is checked after each round.
        checkpoints: the checkpoints to write, or None.

    Attributes:
        curve: the metrics on the validation rows after each round.
    """

    def __init__(self, progress: Progress, stop: Stop, checkpoints: Checkpoints | None) -> None:
        self._progress = progress
        self._stop = stop
        self._checkpoints = checkpoints
        self.curve: Curve = []

    def end_round(
        self,
        n_rounds: int,
        metrics: Mapping[str, float],
        booster: Callable[[], bytes],
        n_kept: int | None = None,
    ) -> bool:
        """Record a round.

        Args:
            n_rounds: the number of rounds so far, including those of a checkpoint.
            metrics: the metrics on the validation rows; empty without such rows.
            booster: returns the content of a checkpoint.
            n_kept: how many rounds that content holds; None for all.

        Returns:
            Whether the job was asked to stop.
        """
        if metrics:
            self.curve.append((n_rounds, dict(metrics)))
        self._progress.at(n_rounds, metrics)
        n_kept = n_rounds if n_kept is None else n_kept
        if self._checkpoints and n_kept:
            self._checkpoints.keep_all(n_kept, booster)
        return self._stop.is_requested


def booster_of(context: FitContext) -> Any:
    """The unfitted estimator, with one thread for a small table unless a number was chosen."""
    if context.is_small and context.estimator.n_jobs in {None, -1}:
        return context.estimator.set_params(n_jobs=1)
    return context.estimator
