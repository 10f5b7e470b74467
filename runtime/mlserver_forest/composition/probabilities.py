"""Functions of class scores: calibrated, one against the rest, or cut at a threshold.

As calibration.py, multiclass.py and model_selection/_classification_threshold.py of
scikit-learn 1.9 compute them.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.composition.composition import Composition, OneMember
from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.engine.predictor import Prediction, Predictor

_NO_TABLE = np.empty((0, 2))
_FLOATS = (np.float32, np.float64)
_NO_STARTS = np.empty(0, np.uint32)
_LOGISTIC, _SOFTMAX = Postprocessor("sigmoid"), Postprocessor("softmax")
# What a probability may exceed 1 by, and what is added to it before its logarithm.
_ROUNDING = 1e-5
_SMALLEST = 1e-12


def scores_of(
    member: Predictor, x: NDArray[Any], n_threads: int, *, by_decision: bool
) -> NDArray[np.float64]:
    """(n_samples, k) what scikit-learn takes of a classifier that stands in another estimator.

    Args:
        member: the classifier.
        x: rows in its dtype.
        n_threads: as in ``Predictor``.
        by_decision: whether it has a decision function; else the probabilities are taken.

    Returns:
        One column, that of the second class, for two classes; else one for each class.
    """
    if by_decision:
        return member.decision(x, n_threads)
    values = member.predict(x, n_threads).values
    return values[:, 1:] if values.shape[1] == 2 else values


@dataclass(frozen=True, eq=False)
class Calibrated(OneMember):
    """The calibrated probabilities of one classifier: a part of CalibratedClassifierCV.

    Attributes:
        method: "sigmoid", "isotonic" or "temperature".
        by_decision: whether the decision function is calibrated, not the probabilities.
        slopes: (k, 2) the slope and the intercept of each class's sigmoid; or (1, 1) the inverse
            temperature; else empty. There is one class, the second, if there are two.
        table: (n, 2) for isotonic regression, float32 or float64, the scores and probabilities of
            all classes, one class after the other.
        starts: uint32 (k + 1,) where each class's part of the table begins, and the end.
        n_classes: the number of classes.
    """

    operation = "calibration"
    method: str
    by_decision: bool
    n_classes: int
    slopes: NDArray[np.float64] = field(default_factory=_NO_TABLE.copy)
    table: NDArray[Any] = field(default_factory=_NO_TABLE.copy)
    starts: NDArray[np.uint32] = field(default_factory=_NO_STARTS.copy)

    def check(self) -> None:
        """See ``Composition.check``."""
        n_scores = 1 if self.n_classes == 2 else self.n_classes
        known = self.member.decision_width if self.by_decision else self.member.n_value_columns
        if self.n_classes < 2 or known != (n_scores if self.by_decision else self.n_classes):
            raise self.damaged("its member does not know the same classes")
        shapes = {"sigmoid": (n_scores, 2), "temperature": (1, 1)}
        if self.table.dtype not in _FLOATS or self.table.shape[1:] != (2,):
            raise self.damaged("its tables are not pairs of numbers")
        if self.method == "isotonic":
            starts = self.starts.astype(np.int64)
            n_points = np.diff(starts)
            is_whole = starts.shape == (n_scores + 1,) and starts[0] == 0
            if not is_whole or n_points.min() < 1 or starts[-1] != len(self.table):
                raise self.damaged("its tables are not whole")
        elif self.slopes.shape != shapes.get(self.method):
            raise self.damaged(f"its {self.method} has no numbers for each class")

    @property
    def n_value_columns(self) -> int:
        return self.n_classes

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """See ``Predictor``."""
        scores = scores_of(self.member, x, n_threads, by_decision=self.by_decision)
        values = self._by_temperature(scores) if self.method == "temperature" else self._by(scores)
        values[(values > 1.0) & (values <= 1.0 + _ROUNDING)] = 1.0
        return Prediction(values, values.argmax(axis=1))

    def _by(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        one = self._sigmoid if self.method == "sigmoid" else self._isotonic
        columns = [one(scores[:, k], k) for k in range(scores.shape[1])]
        found = np.column_stack(columns).astype(np.float64, copy=False)
        if self.n_classes == 2:
            return np.hstack([1.0 - found, found])
        total = found.sum(axis=1)[:, np.newaxis]
        uniform = np.full_like(found, 1 / self.n_classes)
        shares: NDArray[np.float64] = np.divide(found, total, out=uniform, where=total != 0)
        return shares

    def _sigmoid(self, scores: NDArray[np.float64], k: int) -> NDArray[np.float64]:
        slope, intercept = self.slopes[k].tolist()
        return _LOGISTIC.values(-(slope * scores + intercept))

    def _isotonic(self, scores: NDArray[np.float64], k: int) -> NDArray[np.float64]:
        xs, ys = self.table[self.starts[k] : self.starts[k + 1]].T
        if len(xs) == 1:
            return np.repeat(ys, len(scores))
        inside = np.clip(scores.astype(self.table.dtype), xs[0], xs[-1])
        # As scipy.interpolate.interp1d does (SciPy 1.17), in the dtype of the table.
        found: NDArray[np.float64] = np.interp(inside, xs, ys).astype(self.table.dtype)
        return found

    def _by_temperature(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.by_decision:
            logits = np.hstack([-scores, scores]) if scores.shape[1] == 1 else scores
        else:
            both = np.hstack([1 - scores, scores]) if scores.shape[1] == 1 else scores
            logits = np.log(both + _SMALLEST)
        return _SOFTMAX.values(self.slopes[0, 0] * logits)


@dataclass(frozen=True, eq=False)
class OneVsRest(Composition):
    """A classifier of two classes for each class: OneVsRestClassifier.

    Attributes:
        by_decision: whether the members have decision functions, which then choose the class.
        takes_last: whether the last of equal scores wins, as it did before scikit-learn 1.8.
    """

    operation = "one against the rest"
    by_decision: bool
    takes_last: bool

    def check(self) -> None:
        """See ``Composition.check``."""
        if {member.n_value_columns for member in self.members} != {2}:
            raise self.damaged("its members do not predict two classes each")
        if self.by_decision and {member.decision_width for member in self.members} != {1}:
            raise self.damaged("its members have no decision function of one column")

    @property
    def n_value_columns(self) -> int:
        return max(len(self.members), 2)

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """See ``Predictor``."""
        shares = np.column_stack([values[:, 1] for values in self.values_of(x, n_threads)])
        scores = self._scores(x, n_threads) if self.by_decision else shares
        if len(self.members) == 1:
            positions = (scores[:, 0] > (0.0 if self.by_decision else 0.5)).astype(np.intp)
            return Prediction(np.hstack([1 - shares, shares]), positions)
        if self.takes_last:
            positions = scores.shape[1] - 1 - scores[:, ::-1].argmax(axis=1)
        else:
            positions = scores.argmax(axis=1)
        total = shares.sum(axis=1)[:, np.newaxis]
        return Prediction(np.divide(shares, total, out=shares, where=total != 0), positions)

    def _scores(self, x: NDArray[Any], n_threads: int) -> NDArray[np.float64]:
        found = [
            scores_of(member, self.rows_for(member, x), n_threads, by_decision=True)
            for member in self.members
        ]
        return np.hstack(found)


@dataclass(frozen=True, eq=False)
class Threshold(OneMember):
    """A class is predicted from a threshold on: FixedThresholdClassifier and the like.

    Attributes:
        threshold: the least score of the class.
        position: of the class, 0 or 1.
        by_decision: whether the score is the decision function, not the probability.
    """

    operation = "threshold"
    threshold: float
    position: int
    by_decision: bool = False

    def check(self) -> None:
        """See ``Composition.check``."""
        if self.member.n_value_columns != 2 or self.position not in {0, 1}:
            raise self.damaged("it needs two classes")
        if self.by_decision and self.member.decision_width != 1:
            raise self.damaged("its member has no decision function of one column")

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """See ``Predictor``."""
        values = self.member.predict(x, n_threads).values
        scores = values[:, self.position]
        if self.by_decision:
            second = self.member.decision(x, n_threads)[:, 0]
            scores = second if self.position else -second
        chosen = scores >= self.threshold
        return Prediction(values, np.where(chosen, self.position, 1 - self.position))
