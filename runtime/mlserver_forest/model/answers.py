"""What a model knows of some rows, worked out when an output asks for it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Forest, Prediction
from mlserver_forest.engine.threads import KernelThreads
from mlserver_forest.insight.insights import Insights

Answer = Callable[["Answers"], NDArray[Any]]


class Answers:
    """A block of rows and what is asked about them.

    Attributes:
        x: (n, n_features) in the dtype of the forest's features.
        forest: the trees.
        insights: what was learned beside them.
    """

    def __init__(
        self, x: NDArray[Any], forest: Forest, insights: Insights, kernel: KernelThreads
    ) -> None:
        self.x = x
        self.forest = forest
        self.insights = insights
        self._kernel = kernel
        self._prediction: Prediction | None = None

    # functools.cached_property has one lock for all rows of all models (Python 3.11).
    @property
    def prediction(self) -> Prediction:
        """Worked out once, for several outputs are made of it."""
        if self._prediction is None:
            self._prediction = self._kernel.run(self.forest.predict, self.x)
        return self._prediction

    def contributions(self) -> NDArray[Any]:
        """As ``Forest.contributions``."""
        return self._kernel.run(self.forest.contributions, self.x)

    def out_of_range(self) -> NDArray[np.bool_]:
        """As ``Baseline.out_of_range``.

        Raises:
            ValueError: if the artifact has no baseline.
        """
        if self.insights.baseline is None:
            raise ValueError("what is out of range needs a baseline")
        return self.insights.baseline.out_of_range(self.x)

    def interval(self) -> NDArray[Any]:
        """(n, 2) low and high.

        Raises:
            ValueError: if the artifact has no intervals.
        """
        intervals = self.insights.intervals
        if intervals is None:
            raise ValueError("this model has no intervals")
        if intervals.samples is None:
            return intervals.widened(self.prediction.values.repeat(2, axis=1))
        between = partial(intervals.samples.quantiles, self.forest, intervals.levels)
        return intervals.widened(self._kernel.run(between, self.x))

    def prediction_set(self) -> NDArray[Any]:
        """(n, n_classes) whether each class belongs to the set.

        Raises:
            ValueError: if the artifact has no prediction sets.
        """
        intervals = self.insights.intervals
        if intervals is None:
            raise ValueError("this model has no prediction sets")
        return intervals.sets(self.prediction.values)
