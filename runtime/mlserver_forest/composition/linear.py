"""A linear model of the members' answers: stacking with a linear final estimator.

As ensemble/_stacking.py and linear_model/_base.py and _logistic.py of scikit-learn 1.9 compute it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.composition.composition import Composition, wider
from mlserver_forest.composition.probabilities import scores_of
from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.engine.predictor import Prediction, Predictor

# What is taken of a member: its values, those of the second of two classes, its decision function,
# or the position of its class.
TAKEN = ("values", "second", "decision", "position")
_LINKS = {
    "identity": Postprocessor("identity"),
    "binary": Postprocessor("binary"),
    "softmax": Postprocessor("softmax"),
    "one against the rest": Postprocessor("sigmoid"),
    # A multinomial model of two classes, as scikit-learn could fit one before 1.8.
    "double": Postprocessor("binary", scale=2.0),
}
_TWO_CLASSES = ("binary", "double")


@dataclass(frozen=True, eq=False)
class Linear(Composition):
    """Scores that are sums of what is taken of the members, times coefficients.

    Attributes:
        taken: for each member, one of ``TAKEN``.
        with_features: whether the features themselves follow what is taken of the members.
        coefficients: float64 (n_scores, n_taken).
        intercept: float64 (n_scores,).
        link: a key of ``_LINKS``: how scores become values; "identity" for a regression.
    """

    operation = "linear model"
    taken: tuple[str, ...]
    with_features: bool
    coefficients: NDArray[np.float64]
    intercept: NDArray[np.float64]
    link: str

    def check(self) -> None:
        """See ``Composition.check``."""
        if len(self.taken) != len(self.members) or not set(self.taken) <= set(TAKEN):
            raise self.damaged("it does not say what it takes of each member")
        widths = list(map(_width, self.members, self.taken))
        if min(widths) < 1:
            raise self.damaged("a member does not have what is taken of it")
        n_taken = sum(widths)
        n_taken += self.n_features if self.with_features else 0
        if self.coefficients.shape != (self.intercept.size, n_taken) or self.intercept.ndim != 1:
            raise self.damaged(f"its coefficients are not {n_taken} for each score")
        if self.link not in _LINKS or (self.link in _TWO_CLASSES and self.n_outputs > 1):
            raise self.damaged("its link does not fit its scores")

    @cached_property
    def feature_dtype(self) -> np.dtype[Any]:
        """float64 if the features are used as numbers."""
        return np.dtype(np.float64) if self.with_features else wider(self.members)

    @property
    def n_value_columns(self) -> int:
        return 2 if self.link in _TWO_CLASSES else self.n_outputs

    @property
    def n_outputs(self) -> int:
        return self.intercept.size

    @property
    def is_sum(self) -> bool:
        return self.link == "identity"

    @property
    def decision_width(self) -> int:
        return self.n_outputs

    @property
    def unexplained(self) -> str:
        if self.with_features or not set(self.taken) <= {"values", "second"}:
            return f"this {self.operation} takes more than sums over features"
        return self.reason_in_members()

    @property
    def expected_value(self) -> NDArray[np.float64]:
        parts = [
            _columns(member.expected_value, how)
            for member, how in zip(self.members, self.taken, strict=True)
        ]
        return self._scores(np.concatenate(parts))

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """See ``Predictor``."""
        scores = self.decision(x, n_threads)
        values = _LINKS[self.link].values(scores)
        if self.link == "one against the rest":
            total = values.sum(axis=1, keepdims=True)
            uniform = np.full_like(values, 1 / values.shape[1])
            values = np.divide(values, total, out=uniform, where=total != 0)
        if self.n_value_columns > scores.shape[1]:
            return Prediction(values, (scores[:, 0] > 0).astype(np.intp))
        return Prediction(values, scores.argmax(axis=1))

    def decision(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """(n_samples, n_scores) the scores."""
        found = [
            self._take(member, how, self.rows_for(member, x), n_threads)
            for member, how in zip(self.members, self.taken, strict=True)
        ]
        return self._scores(np.hstack([*found, x] if self.with_features else found))

    def contributions(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """The members' contributions, times the coefficients."""
        if self.unexplained:
            raise ValueError(self.unexplained)
        parts = [
            _columns(member.contributions(self.rows_for(member, x), n_threads), how)
            for member, how in zip(self.members, self.taken, strict=True)
        ]
        found: NDArray[np.float64] = np.concatenate(parts, axis=2) @ self.coefficients.T
        return found

    def _scores(self, taken: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same bits for a row alone as among others, unlike those of a matrix product."""
        scores = np.zeros((*taken.shape[:-1], self.n_outputs))
        for column, coefficients in enumerate(self.coefficients.T):
            scores += taken[..., column, np.newaxis] * coefficients
        return scores + self.intercept

    def _take(
        self, member: Predictor, how: str, x: NDArray[Any], n_threads: int
    ) -> NDArray[np.float64]:
        if how == "decision":
            return scores_of(member, x, n_threads, by_decision=True)
        prediction = member.predict(x, n_threads)
        if how == "position":
            return prediction.positions.astype(np.float64).reshape(-1, 1)
        return _columns(prediction.values, how)


def _columns(found: NDArray[np.float64], how: str) -> NDArray[np.float64]:
    """What is taken of values, along the last axis."""
    return found[..., 1:] if how == "second" else found


def _width(member: Predictor, how: str) -> int:
    """How many columns are taken of a member; less than 1 if it does not have them."""
    if how == "second":
        return int(member.n_value_columns == 2)
    return {"values": member.n_value_columns, "decision": member.decision_width, "position": 1}[how]
