"""The comparison of algorithms on the same folds, as the report and metrics.json show it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from mlserver_forest.reports.html.number_format import MISSING, fixed, number
from mlserver_forest.reports.html.templates import outside
from mlserver_forest.reports.training.metric_names import MEANINGS


@dataclass(frozen=True)
class Contestant:
    """One algorithm of a comparison.

    Attributes:
        algorithm: its name for a reader.
        scores: the metric in each fold; NaN where it could not be computed.
        seconds: the time that the folds took together.
    """

    algorithm: str
    scores: tuple[float, ...]
    seconds: float

    @property
    def mean(self) -> float:
        """The mean over the folds; NaN if a fold has no score."""
        return float(np.mean(self.scores)) if self.scores else float("nan")

    @property
    def deviation(self) -> float:
        """The standard deviation over the folds."""
        return float(np.std(self.scores)) if self.scores else float("nan")


@dataclass(frozen=True)
class Leaderboard:
    """Algorithms that were compared on the same folds.

    Attributes:
        metric: the metric that decided, as in the log, such as "rmse".
        chosen: the algorithm of the model.
        contestants: the algorithms, the best first.
    """

    metric: str
    chosen: str
    contestants: tuple[Contestant, ...]

    @classmethod
    def ranked(cls, metric: str, contestants: Iterable[Contestant]) -> "Leaderboard":
        """Rank algorithms; the best is the chosen one, and those without a score are last.

        Args:
            metric: a metric of ``metric_names.MEANINGS``, which says whether less is better.
            contestants: at least one algorithm.
        """
        sign = 1 if MEANINGS[metric].is_loss else -1
        ordered = sorted(
            contestants,
            key=lambda one: (not np.isfinite(one.mean), sign * one.mean, one.seconds),
        )
        return cls(metric, ordered[0].algorithm, tuple(ordered))

    def to_json(self) -> dict[str, Any]:
        """The comparison for metrics.json."""
        return {
            "metric": self.metric,
            "chosen": self.chosen,
            "algorithms": [
                {
                    "algorithm": one.algorithm,
                    "mean": one.mean,
                    "deviation": one.deviation,
                    "folds": list(one.scores),
                    "seconds": one.seconds,
                }
                for one in self.contestants
            ],
        }


def leaderboard_values(found: Leaderboard) -> dict[str, Any]:
    """What sections.html's ``leaderboard`` shows: a row for each algorithm."""
    meaning = MEANINGS[found.metric]
    n_folds = max(len(one.scores) for one in found.contestants)
    most = max((abs(one.mean) for one in found.contestants if np.isfinite(one.mean)), default=0.0)

    def written(value: float) -> str:
        if not np.isfinite(value):
            return MISSING
        return number(value) if meaning.has_unit else fixed(value)

    return {
        "metric": meaning.title,
        "meaning": meaning.meaning,
        "chosen": found.chosen,
        "n_folds": n_folds,
        "head": ["Algorithm", "Mean", *(f"Fold {i + 1}" for i in range(n_folds)), "Seconds"],
        "rows": [
            {
                "name": _name(one, is_chosen=one.algorithm == found.chosen),
                "share": abs(one.mean) / most if most and np.isfinite(one.mean) else 0.0,
                "mean": Markup("{} <small>± {}</small>").format(
                    written(one.mean), written(one.deviation)
                ),
                "others": [*_padded(list(map(written, one.scores)), n_folds), f"{one.seconds:.1f}"],
            }
            for one in found.contestants
        ],
    }


def _padded(cells: Sequence[str], n_cells: int) -> list[str]:
    return [*cells, *[MISSING] * (n_cells - len(cells))]


def _name(one: Contestant, *, is_chosen: bool) -> Markup:
    chosen = Markup(" <small>the model</small>") if is_chosen else ""
    return Markup("{}{}").format(outside(one.algorithm), chosen)
