"""Answers that are taken together: averaged, voted on, or side by side.

The order of additions is that of scikit-learn 1.9: ensemble/_voting.py, _bagging.py and
_weight_boosting.py, and ``numpy.average``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.composition.composition import Composition, OneMember
from mlserver_forest.engine.predictor import Prediction, Predictor


@dataclass(frozen=True, eq=False)
class Average(Composition):
    """The mean of the members' values: soft voting, bagging, cross-validated calibration.

    Attributes:
        weights: float64 (n_members,).
    """

    operation = "average"
    weights: NDArray[np.float64]

    def check(self) -> None:
        """See ``Composition.check``."""
        check_weights(self, len(self.members))
        if len({member.n_value_columns for member in self.members}) != 1:
            raise self.damaged("its members do not predict the same columns")

    @property
    def n_value_columns(self) -> int:
        return self.members[0].n_value_columns

    @property
    def is_sum(self) -> bool:
        return all(member.is_sum for member in self.members)

    @property
    def unexplained(self) -> str:
        return self.reason_in_members()

    @property
    def expected_value(self) -> NDArray[np.float64]:
        return self._mean([member.expected_value for member in self.members])

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """See ``Predictor``."""
        values = self._mean(self.values_of(x, n_threads))
        return Prediction(values, values.argmax(axis=1))

    def contributions(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """The mean of the members' contributions, whose sums are averaged, too."""
        if self.unexplained:
            raise ValueError(self.unexplained)
        return self._mean(
            [member.contributions(self.rows_for(member, x), n_threads) for member in self.members]
        )

    def _mean(self, found: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        total: NDArray[np.float64] = found[0] * self.weights[0]
        for values, weight in zip(found[1:], self.weights[1:], strict=True):
            total += values * weight
        total /= self.weights.sum()
        return total


@dataclass(frozen=True, eq=False)
class Vote(Composition):
    """Each member votes for its class; the values are the shares of the votes.

    Attributes:
        weights: float64 (n_members,), of the votes.
        n_classes: the number of classes.
    """

    operation = "vote"
    weights: NDArray[np.float64]
    n_classes: int

    def check(self) -> None:
        """See ``Composition.check``."""
        check_weights(self, len(self.members))
        if {member.n_value_columns for member in self.members} != {self.n_classes}:
            raise self.damaged("its members do not know the same classes")

    @property
    def n_value_columns(self) -> int:
        return self.n_classes

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """See ``Predictor``."""
        votes = np.zeros((len(x), self.n_classes))
        rows = np.arange(len(x))
        for found, weight in zip(self.predictions(x, n_threads), self.weights, strict=True):
            votes[rows, found.positions] += weight
        return Prediction(votes / self.weights.sum(), votes.argmax(axis=1))


@dataclass(frozen=True, eq=False)
class WeightedMedian(OneMember):
    """The weighted median of the columns of one member: AdaBoostRegressor.

    Attributes:
        weights: float64 (n_value_columns of the member,).
    """

    operation = "weighted median"
    weights: NDArray[np.float64]

    def check(self) -> None:
        """See ``Composition.check``."""
        check_weights(self, self.member.n_value_columns)

    @property
    def n_value_columns(self) -> int:
        return 1

    @property
    def n_outputs(self) -> int:
        return 1

    @property
    def unexplained(self) -> str:
        return "a weighted median is not a sum over features"

    @property
    def expected_value(self) -> NDArray[np.float64]:
        raise ValueError(self.unexplained)

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """See ``Predictor``."""
        found = self.member.predict(x, n_threads).values
        order = found.argsort(axis=1)
        total = self.weights[order].cumsum(axis=1)
        middle = (total >= 0.5 * total[:, -1:]).argmax(axis=1)
        rows = np.arange(len(x))
        values = found[rows, order[rows, middle]].reshape(-1, 1)
        return Prediction(values, np.zeros(len(x), np.intp))

    def contributions(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """Refused."""
        raise ValueError(self.unexplained)


@dataclass(frozen=True, eq=False)
class SideBySide(Composition):
    """The members' values side by side: MultiOutputRegressor."""

    operation = "side by side"

    @property
    def n_value_columns(self) -> int:
        return sum(member.n_value_columns for member in self.members)

    @property
    def is_sum(self) -> bool:
        return all(member.is_sum for member in self.members)

    @property
    def unexplained(self) -> str:
        return next((one.unexplained for one in self.members if one.unexplained), "")

    @property
    def n_outputs(self) -> int:
        return sum(member.n_outputs for member in self.members)

    @property
    def expected_value(self) -> NDArray[np.float64]:
        return np.concatenate([member.expected_value for member in self.members])

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """See ``Predictor``."""
        values = np.hstack(self.values_of(x, n_threads))
        return Prediction(values, np.zeros(len(x), np.intp))

    def contributions(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """Each member's, in the order of the columns."""
        if self.unexplained:
            raise ValueError(self.unexplained)
        found = [one.contributions(self.rows_for(one, x), n_threads) for one in self.members]
        return np.concatenate(found, axis=2)


@dataclass(frozen=True, eq=False)
class Select(OneMember):
    """A member that reads some of the features: bagging with ``max_features``.

    Attributes:
        columns: uint32 (n_features of the member,), which columns of ``X`` it reads.
        width: the number of columns of ``X``.
    """

    operation = "selection"
    columns: NDArray[np.uint32]
    width: int

    def check(self) -> None:
        """See ``Composition.check``."""
        if self.columns.shape != (self.member.n_features,) or not self.width > self.columns.max():
            raise self.damaged("it selects features that there are not")

    @property
    def n_features(self) -> int:
        return self.width

    @property
    def is_sum(self) -> bool:
        return self.member.is_sum

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """See ``Predictor``."""
        return self.member.predict(self._selected(x), n_threads)

    def sums(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """See ``Predictor``."""
        return super().sums(self._selected(x), n_threads)

    def contributions(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """The member's; features that it does not read add 0."""
        found = self.member.contributions(self._selected(x), n_threads)
        total = np.zeros((len(x), self.width, found.shape[2]))
        # Bagging may draw a feature twice.
        for column, added in zip(self.columns.tolist(), found.transpose(1, 0, 2), strict=True):
            total[:, column] += added
        return total

    def columns_of(self, member: Predictor) -> NDArray[np.intp]:
        """See ``Composition.columns_of``."""
        return self.columns.astype(np.intp)

    def _selected(self, x: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(x[:, self.columns])


def check_weights(composition: Any, n_weights: int) -> None:
    """Check that there are so many weights, finite, not negative, and some of them positive.

    Raises:
        InvalidArtifact: if there are not.
    """
    weights = composition.weights
    is_sound = weights.shape == (n_weights,) and weights.dtype == np.float64
    if not is_sound or not np.isfinite(weights).all() or weights.min() < 0 or not weights.sum() > 0:
        raise composition.damaged(f"its weights are not {n_weights} numbers of 0 or more")
