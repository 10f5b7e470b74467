"""How good the model will be, found out on rows that were held out of the training channel."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.training.algorithms import Hyperparameters
from mlserver_forest.training.data.job_data import Data
from mlserver_forest.training.fitting.fit_rows import AnyRows
from mlserver_forest.training.fitting.job_fitting import Fitted, Fitting
from mlserver_forest.training.fitting.stopping import Stop
from mlserver_forest.training.validation.evaluation import (
    HELD_OUT_FRACTION,
    evaluate,
    folds,
    hold_out,
)
from mlserver_forest.training.validation.interval_learning import Learning, Trial

# Up to so many rows a second fit costs little; with more, out-of-bag answers tell as much.
_FEW_ROWS = 50_000

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Checks:
    """What was found out, by the prefix of its log lines.

    Attributes:
        metrics: their values.
        sets: the labels, (n,) as the estimator takes them, and the answers to their rows.
        n_steps: the rounds after which boosting stopped on the held-out rows, or None.
        trial: answers to the held-out rows, for intervals; or None.
    """

    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    sets: dict[str, tuple[NDArray[Any], NDArray[Any]]] = field(default_factory=dict)
    n_steps: int | None = None
    trial: Trial | None = None


class Checking:
    """Fits to parts of the training rows.

    Args:
        fitting: of the job.
        chosen: the hyperparameters.
        data: of the job.
        seed: of all that is random.
        say: takes each line of the log.
        stop: asked between fits.
        learning: of intervals, or None.
    """

    def __init__(
        self,
        fitting: Fitting,
        chosen: Hyperparameters,
        data: Data,
        seed: int,
        say: Say,
        stop: Stop,
        learning: Learning | None,
    ) -> None:
        self._fitting = fitting
        self._chosen = chosen
        self._data = data
        self._seed = seed
        self._say = say
        self._stop = stop
        self._learning = learning

    def run(self) -> Checks:
        """Validate on folds if asked for, and on a part where nothing else tells."""
        checks = Checks()
        if self._chosen.job.k_fold and not self._stop.is_requested:
            self._cross_validate(checks)
        fraction = self._fraction()
        if fraction and not self._stop.is_requested:
            return self._hold_out(checks, fraction)
        return checks

    def _fraction(self) -> float:
        """The share of rows to hold out: none where validation rows or bootstrap will tell."""
        chosen = self._chosen.job.validation_fraction
        if self._data.validation is not None:
            return 0.0
        if chosen is not None:
            return chosen
        is_told = _has_out_of_bag(self._chosen) and len(self._data.training) > _FEW_ROWS
        return 0.0 if is_told and self._learning is None else HELD_OUT_FRACTION

    def _cross_validate(self, checks: Checks) -> None:
        rows, target = self._data.training, self._data.target
        found = []
        for learn, held_out in folds(rows.y, target.kind, self._chosen.job.k_fold, self._seed):
            fitted = self._fitting.fit(rows.take(learn), None, self._seed)
            found.append(self._evaluate(fitted, rows.take(held_out)))
            if self._stop.is_requested:
                return
        names = set.intersection(*(set(metrics) for metrics in found))
        checks.metrics["cross_validation"] = {
            name: float(np.mean([metrics[name] for metrics in found]))
            for name in found[0]
            if name in names
        }

    def _hold_out(self, checks: Checks, fraction: float) -> Checks:
        rows, kind = self._data.training, self._data.target.kind
        split = hold_out(rows.y, kind, fraction, self._seed)
        if split is None:
            self._say("too few rows to hold some out; no validation metrics")
            return checks
        learn, held_out = map(rows.take, split)
        self._say(
            f"no validation channel: validating on {len(held_out)} held-out rows; "
            "the model itself is fitted on all rows"
        )
        kept_as = f"check-{self._fitting.fingerprint(learn)}"
        fitted = self._fitting.fit(learn, held_out, self._seed, kept_as=kept_as)
        if self._stop.is_requested:
            return checks
        checks.metrics["validation"] = self._evaluate(fitted, held_out)
        checks.sets["validation"] = (held_out.y, fitted.answers_to(held_out))
        stops = self._chosen.early_stopping_rounds is not None
        n_steps = fitted.grown.n_steps if stops else None
        trial = self._learning.try_out(fitted, learn, held_out) if self._learning else None
        return Checks(checks.metrics, checks.sets, n_steps, trial)

    def _evaluate(self, fitted: Fitted, rows: AnyRows) -> dict[str, float]:
        target = self._data.target
        answers = fitted.answers_to(rows)
        return evaluate(answers, rows.y, target.kind, target.classes, rows.weight)


def _has_out_of_bag(chosen: Hyperparameters) -> bool:
    """Whether each tree leaves out rows, to which its answers tell how good it is."""
    is_forest = chosen.job.algorithm in {"random_forest", "extra_trees"}
    return is_forest and bool(getattr(chosen.algorithm, "bootstrap", False))
