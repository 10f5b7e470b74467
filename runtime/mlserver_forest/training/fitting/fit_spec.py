"""What to fit, apart from the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.evaluation.quality_metrics import evaluate
from mlserver_forest.schema.categories import Categories
from mlserver_forest.training.algorithms.estimators import InputColumn, make_estimator
from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters
from mlserver_forest.training.algorithms.registry import Algorithm
from mlserver_forest.training.data.targets import Target
from mlserver_forest.training.fitting.fit_rows import Rows


@dataclass(frozen=True, eq=False)
class FitSpec:
    """What to fit, for any machine that has rows.

    Attributes:
        chosen: the hyperparameters.
        target: what to predict.
        names: the names of the features.
        categories: the categories of the categorical features, by name.
        seed: the seed of all random choices.
        n_steps: the number of trees or rounds.
        first_tree: for a part of a forest, the position of its first tree in the whole forest.
        stops_early: whether boosting may stop early, if the hyperparameters ask for it.
        wants_out_of_bag: whether out-of-bag votes are collected.
        inputs: the columns of the rows, if they are not the features as they are.
        class_weight: weights by class position that replace those of the hyperparameters if this
            machine's rows do not have the class frequencies of all rows.
    """

    chosen: Hyperparameters
    target: Target
    names: tuple[str, ...]
    categories: Mapping[str, Categories]
    seed: int
    n_steps: int
    first_tree: int = 0
    stops_early: bool = True
    wants_out_of_bag: bool = False
    inputs: Sequence[InputColumn] = ()
    class_weight: Mapping[int, float] | None = None

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm's row in the registry."""
        return self.chosen.algorithm

    @property
    def early_stopping_rounds(self) -> int | None:
        """Rounds without improvement on validation rows before boosting stops; None for never."""
        return self.chosen.early_stopping_rounds if self.stops_early else None

    def estimator(self) -> Any:
        """Make the unfitted estimator.

        Raises:
            InvalidHyperparameters: if some hyperparameters do not suit the labels.
        """
        target = self.target
        estimator = make_estimator(
            self.chosen,
            target.kind,
            target.classes,
            self.names,
            self.categories,
            self.seed,
            self.inputs,
        )
        if self.class_weight is not None:
            estimator.set_params(class_weight=dict(self.class_weight))
        return estimator

    def score(self, answers: NDArray[Any], rows: Rows) -> Mapping[str, float]:
        """Compute the metrics of predictions.

        Args:
            answers: (n_samples, n_classes) probabilities, or (n_samples, 1) numbers.
            rows: the rows that were predicted.
        """
        values = answers if self.target.classes else answers[:, 0]
        return evaluate(values, rows.y, self.target.kind, self.target.classes, rows.weight)

    def with_balanced_classes(self, y: NDArray[np.int64]) -> "FitSpec":
        """Replace ``class_weight=balanced`` by weights computed from all rows.

        Args:
            y: (n_samples,) the positions of the classes in the rows of all hosts.
        """
        if getattr(self.chosen.own, "class_weight", None) != "balanced":
            return self
        counts = np.bincount(y, minlength=len(self.target.classes))
        weight = len(y) / (np.count_nonzero(counts) * np.maximum(counts, 1))
        return replace(self, class_weight=dict(enumerate(weight.tolist())))
