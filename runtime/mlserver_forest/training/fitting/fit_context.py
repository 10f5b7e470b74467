"""What all growers are given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from mlserver_forest.training.fitting.checkpoints import Checkpoints
from mlserver_forest.training.fitting.fit_rows import Rows
from mlserver_forest.training.fitting.progress import Progress
from mlserver_forest.training.fitting.stopping import Stop
from mlserver_forest.training.fitting.votes import Votes

# Values of a table that one thread boosts as fast as several.
SMALL = 50_000

Score = Callable[[NDArray[Any], Rows], Mapping[str, float]]
Curve = list[tuple[int, Mapping[str, float]]]


@dataclass(frozen=True, eq=False)
class Task:
    """One estimator to be grown.

    Attributes:
        estimator: unfitted, with scikit-learn's interface.
        n_steps: its trees, or its rounds.
        training: the rows to learn from.
        validation: rows to watch, or None.
        score: metrics of answers, (n, n_classes) or (n, n_targets), to rows.
        progress: told after each step.
        stop: asked between steps.
        checkpoints: where steps are kept, or None.
        early_stopping_rounds: rounds without progress on the validation rows after which
            XGBoost and LightGBM stop, or None.
        stops_early: whether boosting may stop early, as the estimator's parameters say.
        wants_out_of_bag: whether out-of-bag answers are wanted, where the algorithm has any.
    """

    estimator: Any
    n_steps: int
    training: Rows
    validation: Rows | None
    score: Score
    progress: Progress
    stop: Stop
    checkpoints: Checkpoints | None = None
    early_stopping_rounds: int | None = None
    stops_early: bool = True
    wants_out_of_bag: bool = False

    @property
    def patience(self) -> int | None:
        """``early_stopping_rounds``, where there are rows to tell and it is allowed."""
        is_watched = self.validation is not None and self.stops_early
        return self.early_stopping_rounds if is_watched else None


@dataclass(frozen=True, eq=False)
class Grown:
    """What has grown.

    Attributes:
        estimator: fitted; it may have fewer trees than were asked for, where the job was
            stopped or stopping early paid.
        n_steps: the trees or rounds that count: up to the best one, where it stopped early.
        curve: metrics on the validation rows after some trees or rounds.
        out_of_bag: answers to the training rows by the trees that did not see them; None where
            that is not known.
    """

    estimator: Any
    n_steps: int
    curve: Curve = field(default_factory=list)
    out_of_bag: Votes | None = None
