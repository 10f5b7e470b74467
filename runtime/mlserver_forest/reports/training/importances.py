"""Permutation importances, beside the impurity importances of the algorithm."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from mlserver_forest.reports.training.facts import Answers, Facts
from mlserver_forest.reports.training.samples import affordable, rows_of
from mlserver_forest.schema.schema import TargetKind

# At most 30 x 5 x 2,000 rows are predicted.
MOST_FEATURES = 30
_REPEATS = 5
_SAMPLE = 2_000
_MEASURES: dict[TargetKind, str] = {"classification": "accuracy", "regression": "r2"}


@dataclass(frozen=True, eq=False)
class Importances:
    """How much the features matter.

    Attributes:
        prefix: the set whose rows were permuted: "test", "validation" (perhaps rows that were
            held out, predicted by a model that was fitted without them), or "train".
        n_rows: the number of these rows.
        measure: the score that permuting costs, "accuracy" or "r2", as in scikit-learn.
        impurity: (n_features,) the algorithm's own importances, or None.
        permutation: (n_features,) mean loss; NaN for features that were not permuted.
        deviation: (n_features,) its standard deviation over the repetitions.
    """

    prefix: str
    n_rows: int
    measure: str
    impurity: NDArray[np.float64] | None
    permutation: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def ranking(self) -> NDArray[np.int64]:
        """Columns, the most important first: by permutation, then by impurity."""
        impurity = np.zeros(len(self.permutation)) if self.impurity is None else self.impurity
        permutation = np.nan_to_num(self.permutation, nan=-np.inf)
        return np.lexsort((-impurity, -permutation))


def importances(facts: Facts) -> Importances:
    """Permute the most promising features of a sample of rows, held-out ones if there are any.

    Like sklearn.inspection.permutation_importance, but bounded: at most 30 features, chosen by
    impurity or else by what each predicts by itself, and at most 2,000 rows.
    """
    found = facts.evaluation_rows
    rows = rows_of(len(found.y), affordable(len(facts.names), _SAMPLE))
    x, y = found.x[rows], found.y[rows]
    base = _score(found.predict(x), y, facts)
    losses = np.full((len(facts.names), _REPEATS), np.nan)
    stacked = np.tile(x, (_REPEATS, 1))
    rng = np.random.default_rng(0)
    for column in _candidates(facts):
        kept = stacked[:, column].copy()
        orders = [rng.permutation(len(rows)) for _ in range(_REPEATS)]
        stacked[:, column] = np.concatenate([x[order, column] for order in orders])
        answers = np.split(found.predict(stacked), _REPEATS)
        losses[column] = [base - _score(some, y, facts) for some in answers]
        stacked[:, column] = kept
    return Importances(
        found.prefix,
        len(rows),
        _MEASURES[facts.kind],
        _finite(facts.impurity_importances),
        losses.mean(axis=1),
        losses.std(axis=1),
    )


def _finite(gains: NDArray[Any] | None) -> NDArray[np.float64] | None:
    """Finite gains: those of a booster without a single split are NaN."""
    return None if gains is None else np.nan_to_num(np.asarray(gains, np.float64))


def _candidates(facts: Facts) -> list[int]:
    promise = _finite(facts.impurity_importances)
    if promise is None:
        promise = facts.inspection.scores_alone
    return [int(i) for i in np.argsort(-promise, kind="stable")[:MOST_FEATURES]]


def _score(answers: Answers, y: NDArray[np.float64], facts: Facts) -> float:
    if facts.kind == "classification":
        return float((facts.rule.positions(answers) == y).mean())
    if np.ptp(y) == 0:
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.nan_to_num(metrics.r2_score(y, answers.reshape(-1))))
