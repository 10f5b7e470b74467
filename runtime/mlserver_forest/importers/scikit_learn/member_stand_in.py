"""What stands for an estimator of another library in a restored one of scikit-learn."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from mlserver_forest.importers.fitted_estimator import Answers
from mlserver_forest.schema.schema import Schema

# Asks the other library: (n_samples, n_features) rows -> its answers.
Ask = Callable[[NDArray[Any]], Answers]


class _StandIn(BaseEstimator):  # type: ignore[misc]  # it has no types
    """What scikit-learn asks of every estimator."""

    def __sklearn_is_fitted__(self) -> bool:  # scikit-learn's name
        return True

    def fit(self, X: Any, y: Any = None) -> "_StandIn":  # noqa: N803
        """Refused; a pipeline looks for it all the same."""
        raise ValueError("what stands for an estimator of another library cannot be fitted")


class RegressorStandIn(RegressorMixin, _StandIn):  # type: ignore[misc]  # it has no types
    """A fitted regressor whose library is asked."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:  # noqa: N803
        """(n_samples,) the predictions."""
        values = self.ask(X)[0]
        return values[:, 0] if values.shape[1] == 1 else values


class ClassifierStandIn(ClassifierMixin, _StandIn):  # type: ignore[misc]  # it has no types
    """A fitted classifier whose library is asked."""

    def __init__(self, ask: Ask, classes_: NDArray[Any]) -> None:
        self.ask = ask
        self.classes_ = classes_

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:  # noqa: N803
        """(n_samples,) the labels."""
        found: NDArray[Any] = self.classes_[self.ask(X)[1]]
        return found

    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:  # noqa: N803
        """(n_samples, n_classes) the probabilities."""
        return self.ask(X)[0]


def stand_in(ask: Ask, schema: Schema) -> Any:
    """The estimator that stands for one of another library.

    Args:
        ask: asks that library.
        schema: of the imported member.
    """
    if schema.kind == "classification":
        return ClassifierStandIn(ask, np.array(schema.classes))
    return RegressorStandIn(ask)


def unfitted() -> Any:
    """What stands for an estimator that was never fitted, such as a parameter of a search."""
    return RegressorStandIn(_not_asked)


def _not_asked(_: NDArray[Any]) -> Answers:
    raise ValueError("an estimator that is not fitted was asked")
