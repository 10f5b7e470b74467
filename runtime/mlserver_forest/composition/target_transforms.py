"""Numbers that become the target: transformed back, or predicted one after the other.

As compose/_target.py, preprocessing and multioutput.py of scikit-learn 1.9 compute them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.composition.composition import Composition, OneMember
from mlserver_forest.engine.predictor import Prediction, Predictor

# The functions of NumPy that a transformed target may be transformed back by.
FUNCTIONS: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    name: getattr(np, name)
    for name in (
        *("exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "sqrt", "cbrt", "square"),
        *("sinh", "arcsinh", "tanh", "arctanh", "reciprocal", "negative", "positive"),
    )
}


@dataclass(frozen=True, eq=False)
class Inverse(OneMember):
    """The target, transformed back by a function of NumPy: TransformedTargetRegressor.

    Attributes:
        function: its name.
    """

    operation = "inverse function"
    function: str

    def check(self) -> None:
        """See ``Composition.check``."""
        if self.function not in FUNCTIONS:
            raise self.damaged("its function is not known; upgrade mlserver-forest")

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """See ``Predictor``."""
        with np.errstate(all="ignore"):  # As in the library, what is not defined is NaN.
            values = FUNCTIONS[self.function](self.member.predict(x, n_threads).values)
        return Prediction(values, np.zeros(len(x), np.intp))


@dataclass(frozen=True, eq=False)
class Rescale(OneMember):
    """The target, scaled back: StandardScaler, MinMaxScaler and the like around a target.

    Each column of the values becomes ``(value - before) * factor / divisor + after``, so that the
    operations and their order are the library's.

    Attributes:
        before, factor, divisor, after: float64 (n_value_columns,); 0 or 1 where a scaler has none.
    """

    operation = "scale"
    before: NDArray[np.float64]
    factor: NDArray[np.float64]
    divisor: NDArray[np.float64]
    after: NDArray[np.float64]

    def check(self) -> None:
        """See ``Composition.check``."""
        for numbers in (self.before, self.factor, self.divisor, self.after):
            if numbers.shape != (self.member.n_value_columns,) or not np.isfinite(numbers).all():
                raise self.damaged("it has no finite numbers for each target")

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """See ``Predictor``."""
        values = self.member.predict(x, n_threads).values
        with np.errstate(all="ignore"):
            values = (values - self.before) * self.factor / self.divisor + self.after
        return Prediction(values, np.zeros(len(x), np.intp))


@dataclass(frozen=True, eq=False)
class Chain(Composition):
    """Each member also reads what those before it predicted: RegressorChain.

    Attributes:
        order: uint32 (n_members,), the column of the target that each member predicts.
    """

    operation = "chain"
    order: NDArray[np.uint32]

    def __post_init__(self) -> None:
        widths = [member.n_features - place for place, member in enumerate(self.members)]
        if not widths or len(set(widths)) != 1 or widths[0] < 1:
            raise self.damaged("its members do not read the targets before them")
        if sorted(self.order.tolist()) != list(range(len(self.members))):
            raise self.damaged("its order does not name each target once")
        if {member.n_value_columns for member in self.members} != {1}:
            raise self.damaged("a member does not predict one number")

    @property
    def n_value_columns(self) -> int:
        return len(self.members)

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """See ``Predictor``."""
        values = np.empty((len(x), len(self.members)))
        for column, (_, _, found) in zip(self.order, self._steps(x, n_threads), strict=True):
            values[:, column] = found[:, 0]
        return Prediction(values, np.zeros(len(x), np.intp))

    def sums(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """See ``Predictor``."""
        found = [member.sums(rows, n_threads) for member, rows, _ in self._steps(x, n_threads)]
        return np.hstack([sums.astype(np.float64, copy=False) for sums in found])

    def columns_of(self, member: Predictor) -> NDArray[np.intp]:
        """See ``Composition.columns_of``; the targets before a member are no columns."""
        columns = np.arange(member.n_features)
        return np.where(columns < self.n_features, columns, -1)

    def _steps(
        self, x: NDArray[Any], n_threads: int
    ) -> Iterator[tuple[Predictor, NDArray[Any], NDArray[np.float64]]]:
        """Each member, the rows that it reads, and the values that it predicts."""
        for member in self.members:
            rows = self.rows_for(member, x)
            values = member.predict(rows, n_threads).values
            yield member, rows, values
            x = np.hstack([x, values])
