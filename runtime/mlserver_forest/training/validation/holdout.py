"""Estimates of how good the model will be, from held-out rows of the training channel."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.evaluation.quality_metrics import evaluate
from mlserver_forest.reports.training.samples import rows_of
from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters
from mlserver_forest.training.data.job_data import Data
from mlserver_forest.training.fitting.fit_rows import AnyRows, Rows
from mlserver_forest.training.fitting.job_fitter import FittedModel, JobFitter
from mlserver_forest.training.fitting.stopping import Stop
from mlserver_forest.training.validation.evaluation import HELD_OUT_FRACTION, folds, hold_out
from mlserver_forest.training.validation.interval_learner import (
    HeldOutAnswers,
    IntervalLearner,
)

# Up to this number of rows a second fit costs little; with more rows, out-of-bag predictions
# are as good an estimate.
_FEW_ROWS = 50_000
# The report judges by these; all of them would stay in memory while the model is fitted.
_MOST_KEPT = 20_000

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class ValidationResult:
    """The result of validation, by set of rows: "validation", "cross_validation", ...

    Attributes:
        metrics: the metrics by set, then by name.
        sets: by set, (n_samples,) labels as the estimator takes them, and the predictions.
        n_steps: the rounds after which boosting stopped early on the held-out rows, or None.
        trial: predictions for the held-out rows, from which intervals are learned, or None.
        weight: the weights of the held-out rows; None if all count the same.
        held_out: at most 20,000 of the held-out rows, and the model that has not learned from
            them; None if no rows of the training channel were held out.
    """

    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    sets: dict[str, tuple[NDArray[Any], NDArray[Any]]] = field(default_factory=dict)
    n_steps: int | None = None
    trial: HeldOutAnswers | None = None
    weight: NDArray[np.float64] | None = None
    held_out: tuple[Rows, FittedModel] | None = None


class HoldoutValidation:
    """Fits on a part of the training rows, and evaluates on the rest.

    Args:
        fitter: fits the job's algorithm.
        chosen: the hyperparameters.
        data: the rows of all channels.
        seed: the seed of all random choices.
        say: is called with each line of the log.
        stop: is checked between fits.
        learner: learns intervals, or None.
    """

    def __init__(
        self,
        fitter: JobFitter,
        chosen: Hyperparameters,
        data: Data,
        seed: int,
        say: Say,
        stop: Stop,
        learner: IntervalLearner | None,
    ) -> None:
        self._fitter = fitter
        self._chosen = chosen
        self._data = data
        self._seed = seed
        self._say = say
        self._stop = stop
        self._learner = learner

    def run(self) -> ValidationResult:
        """Cross-validate if requested, and hold out rows if there is no other estimate."""
        result = ValidationResult()
        if self._chosen.job.k_fold and not self._stop.is_requested:
            self._cross_validate(result)
        fraction = self._fraction()
        if fraction and not self._stop.is_requested:
            return self._hold_out(result, fraction)
        return result

    def _fraction(self) -> float:
        """The share of rows to hold out; 0 if there are validation rows or out-of-bag votes."""
        chosen = self._chosen.job.validation_fraction
        if self._data.validation is not None:
            return 0.0
        if chosen is not None:
            return chosen
        has_votes = self._chosen.own.has_out_of_bag and len(self._data.training) > _FEW_ROWS
        needs_rows = self._learner is not None or self._chosen.job.decides
        return 0.0 if has_votes and not needs_rows else HELD_OUT_FRACTION

    def _cross_validate(self, result: ValidationResult) -> None:
        rows, target, k_fold = self._data.training, self._data.target, self._chosen.job.k_fold
        found = []
        splits = folds(rows.y, target.kind, k_fold, self._seed)
        self._say_of_folds(len(splits))
        for learn, held_out in splits:
            fitted = self._fitter.fit(rows.take(learn), None, self._seed)
            found.append(self._evaluate(fitted, rows.take(held_out)))
            if self._stop.is_requested:
                return
        if not found:
            return
        names = set.intersection(*(set(metrics) for metrics in found))
        result.metrics["cross_validation"] = {
            name: float(np.mean([metrics[name] for metrics in found]))
            for name in found[0]
            if name in names
        }

    def _say_of_folds(self, n_folds: int) -> None:
        """Say what cross-validation does differently from what was chosen."""
        n_rows, k_fold = len(self._data.training), self._chosen.job.k_fold
        if n_folds < k_fold:
            kept = "" if n_folds == n_rows else ", and the only row of a class is never held out"
            self._say(
                f"warning: k_fold is {k_fold}, but there are {n_rows} rows{kept}: "
                f"cross-validation has {n_folds} folds of one row each"
            )
        rounds = self._chosen.early_stopping_rounds
        if rounds is not None:
            self._say(
                f"cross-validation fits all {self._chosen.own.n_steps} rounds in each fold, "
                "without early stopping"
            )

    def _hold_out(self, result: ValidationResult, fraction: float) -> ValidationResult:
        rows, kind = self._data.training, self._data.target.kind
        split = hold_out(rows.y, kind, fraction, self._seed)
        if split is None:
            without = (
                "" if self._chosen.early_stopping_rounds is None else ", and no early stopping"
            )
            self._say(f"too few rows to hold some out; no validation metrics{without}")
            return result
        learn, held_out = map(rows.take, split)
        self._say(
            f"no validation channel: validating on {len(held_out)} held-out rows; "
            "the model itself is fitted on all rows"
        )
        kept_as = f"check-{self._fitter.fingerprint(learn)}"
        fitted = self._fitter.fit(learn, held_out, self._seed, kept_as=kept_as)
        if self._stop.is_requested:
            return result
        own = self._chosen.own
        if line := fitted.result.early_stop(own.n_steps, own.patience):
            self._say(line)
        result.metrics["validation"] = self._evaluate(fitted, held_out)
        result.sets["validation"] = (held_out.y, fitted.answers_to(held_out))
        stops = self._chosen.early_stopping_rounds is not None
        n_steps = fitted.result.n_steps if stops else None
        trial = self._learner.try_out(fitted, learn, held_out) if self._learner else None
        return ValidationResult(
            result.metrics,
            result.sets,
            n_steps,
            trial,
            held_out.weight,
            (_some_of(held_out.sample()), fitted),
        )

    def _evaluate(self, fitted: FittedModel, rows: AnyRows) -> dict[str, float]:
        target = self._data.target
        answers = fitted.answers_to(rows)
        return evaluate(answers, rows.y, target.kind, target.classes, rows.weight)


def _some_of(rows: Rows) -> Rows:
    return rows if len(rows) <= _MOST_KEPT else rows.take(rows_of(len(rows), _MOST_KEPT))
