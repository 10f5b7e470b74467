"""What answers rows: one forest, or a composition of several."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Prediction:
    """The predictions for some rows.

    Attributes:
        values: float64 (n_samples, n_columns): the training library's ``predict_proba``, with
            columns in the order of the classes, for a classifier; its ``predict``, with one
            column for each target, for a regressor; and its ``score_samples`` and
            ``decision_function`` for an isolation forest.
        positions: (n_samples,) each row's class, as its position among the classes; without
            meaning for a regressor.
    """

    values: NDArray[np.float64]
    positions: NDArray[np.intp]


class Predictor(Protocol):
    """One ``Forest``, or a ``Composition`` of predictors. Immutable.

    Every ``x`` is (n_samples, n_features) of ``feature_dtype``, in which NaN means missing; with
    another dtype or width, methods raise ValueError. ``n_threads`` is how many threads may share
    the rows.
    """

    @property
    def n_features(self) -> int:
        """The number of columns of ``X``."""

    @property
    def feature_dtype(self) -> np.dtype[Any]:
        """float32 or float64, the dtype of ``X``."""

    @property
    def n_value_columns(self) -> int:
        """The number of columns of ``Prediction.values``."""

    @property
    def n_outputs(self) -> int:
        """The number of raw scores of a row, which ``contributions`` explain."""

    @property
    def n_trees(self) -> int:
        """The number of trees that a row walks down."""

    @property
    def n_nodes(self) -> int:
        """The number of nodes of all trees."""

    @property
    def is_sum(self) -> bool:
        """Whether values are the raw scores themselves, not a function of them."""

    @property
    def decision_width(self) -> int:
        """The number of columns of ``decision``; 0 if it cannot be asked."""

    @property
    def unexplained(self) -> str:
        """Why ``contributions`` cannot be given; empty if they can."""

    @property
    def expected_value(self) -> NDArray[np.float64]:
        """float64 (n_outputs,) the mean of the raw scores over the training rows.

        Raises:
            ValueError: if there are no contributions.
        """

    @property
    def contribution_work(self) -> int:
        """The work of ``contributions`` for one row, in walks of a row down a tree."""

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """Predict as the training library does."""

    def decision(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """(n_samples, decision_width): ``decision_function`` of a classifier of scikit-learn.

        There is one column for two classes, else one for each class.

        Raises:
            ValueError: if it has none.
        """

    def sums(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[Any]:
        """(n_samples, any number): sums over trees, which are the same bits on any machine."""

    def contributions(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """float64 (n_samples, n_features, n_outputs): how much each feature adds to each score.

        Raises:
            ValueError: if they are ``unexplained``.
        """

    def warm_up(self) -> None:
        """Compile what ``predict`` needs, or read it from Numba's cache."""
