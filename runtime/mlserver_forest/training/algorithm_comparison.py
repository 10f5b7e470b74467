"""Algorithms compared on the same folds, for ``forest train --algorithm all``."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean
from typing import Any

from mlserver_forest.errors import InvalidHyperparameters, count
from mlserver_forest.evaluation.quality_metrics import evaluate
from mlserver_forest.evaluation.text_table import text_table
from mlserver_forest.optional_library import is_installed, require
from mlserver_forest.reports.training.leaderboard import Contestant, Leaderboard
from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters, parse
from mlserver_forest.training.algorithms.registry import ALGORITHMS
from mlserver_forest.training.cluster.hosts import OneHost
from mlserver_forest.training.config import TrainingConfig
from mlserver_forest.training.fitting.job_fitter import JobFitter
from mlserver_forest.training.fitting.stopping import Stop
from mlserver_forest.training.validation.evaluation import folds

_ALL = "all"
_FOLDS = 5
# The first metric that all algorithms have in all folds decides.
_DECIDING = ("roc_auc", "accuracy", "rmse")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Candidate:
    """What an algorithm reaches.

    Attributes:
        algorithm: its name.
        title: its name in reports.
        folds: the metrics of each fold, by name.
        seconds: of fitting and predicting all folds, if each takes as long as those after the
            first, which may have to compile and import what is used.
    """

    algorithm: str
    title: str
    folds: tuple[Mapping[str, float], ...]
    seconds: float

    def mean(self, metric: str) -> float:
        """The mean of a metric over the folds; NaN if one of them does not have it."""
        return self.contestant(metric).mean

    def contestant(self, metric: str) -> Contestant:
        """The candidate by one metric, as reports show it."""
        scores = tuple(found.get(metric, math.nan) for found in self.folds)
        return Contestant(self.title, scores, self.seconds)


@dataclass(frozen=True)
class AlgorithmComparison:
    """The result.

    Attributes:
        candidates: the best first.
        leaderboard: their scores in the metric that decides, in the same order.
    """

    candidates: tuple[Candidate, ...]
    leaderboard: Leaderboard

    @classmethod
    def of(cls, candidates: Sequence[Candidate]) -> "AlgorithmComparison":
        """Rank the candidates."""
        names = set.intersection(*(set(fold) for each in candidates for fold in each.folds))
        metric = next(name for name in _DECIDING if name in names)
        leaderboard = Leaderboard.ranked(metric, (each.contestant(metric) for each in candidates))
        place = {one.algorithm: place for place, one in enumerate(leaderboard.contestants)}
        return cls(tuple(sorted(candidates, key=lambda each: place[each.title])), leaderboard)

    @property
    def best(self) -> str:
        """The name of the best algorithm."""
        return self.candidates[0].algorithm

    def lines(self) -> list[str]:
        """The result as a table for a person."""
        names = list(self.candidates[0].folds[0])
        rows = [["", *(name.replace("_", " ") for name in names), "seconds"]]
        for each in self.candidates:
            means = (f"{each.mean(name):.4g}" for name in names)
            rows.append([each.algorithm, *means, f"{each.seconds:.1f}"])
        n_folds = count(len(self.candidates[0].folds), "fold")
        metric = self.leaderboard.metric.replace("_", " ")
        return [
            "",
            *text_table(rows),
            "",
            f"the best {metric} on the same {n_folds}: {self.best}",
        ]


def suitable_algorithms(text: str, hyperparameters: Mapping[str, Any], say: Say) -> list[str]:
    """The algorithms that ``all``, or names separated by commas, mean.

    Args:
        text: the names, or ``all``, which leaves out those whose library is not installed or for
            which a hyperparameter is not.
        hyperparameters: the others.
        say: is called with each one that is left out.

    Raises:
        InvalidHyperparameters: if one is unknown, or a hyperparameter is not for it.
        MissingLibrary: if the library of one that was named is not installed.
    """
    if text == _ALL:
        return _all_suitable(hyperparameters, say)
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    known = ", ".join(ALGORITHMS)
    expected = f"expected one of {known}, several separated by commas, or {_ALL}"
    unknown = [name for name in names if name not in ALGORITHMS]
    if unknown:
        raise InvalidHyperparameters([f"algorithm is {name!r}; {expected}" for name in unknown])
    for name in names:
        parse({**hyperparameters, "algorithm": name})
        require(ALGORITHMS[name].module, ALGORITHMS[name].extra)
    return names


def _all_suitable(hyperparameters: Mapping[str, Any], say: Say) -> list[str]:
    names, faults = [], []
    for name, row in ALGORITHMS.items():
        if not is_installed(row.module):
            say(f"{name} is left out: pip install 'mlserver-forest[{row.extra}]' installs it")
            continue
        try:
            parse({**hyperparameters, "algorithm": name})
        except InvalidHyperparameters as error:
            faults.append(error)
            say(f"{name} is left out: {'; '.join(error.faults)}")
        else:
            names.append(name)
    if not names:
        raise faults[0]
    return names


def compare(
    config: TrainingConfig, algorithms: Sequence[str], say: Say, stop: Stop
) -> AlgorithmComparison | None:
    """Fit each algorithm on the same folds of the training rows.

    Args:
        config: the job; its ``k_fold`` is the number of folds, 5 by default.
        algorithms: their names.
        say: is called with each line of the log.
        stop: is checked between fits.

    Returns:
        The comparison; None if it was stopped.

    Raises:
        InvalidHyperparameters: if a hyperparameter does not suit one of them.
        InvalidData: naming file and line, and all that has to be decided.
    """
    raw = {"k_fold": str(_FOLDS), **config.hyperparameters}
    candidates: list[Candidate] = []
    seed: int | None = None
    for name in algorithms:
        say(f"comparing {len(candidates) + 1} of {len(algorithms)}: {name}")
        chosen = parse({**raw, "algorithm": name})
        here = OneHost(replace(config, hyperparameters=raw), chosen, _quiet, stop)
        found = _candidate(here, seed, say)
        if found is None:
            return None
        candidate, seed = found
        candidates.append(candidate)
    return AlgorithmComparison.of(candidates)


def _candidate(here: OneHost, seed: int | None, say: Say) -> tuple[Candidate, int] | None:
    """What an algorithm reaches, and the seed of the folds, which the first one gives."""
    chosen: Hyperparameters = here.chosen
    data = here.read()
    fitter = JobFitter(chosen, data, here, say)
    rows, target = data.training, data.target
    own_seed = fitter.seed(fitter.fingerprint(rows))
    seed = own_seed if seed is None else seed
    found, moments = [], [time.monotonic()]
    for learn, held_out in folds(rows.y, target.kind, chosen.job.k_fold, seed):
        fitted = fitter.fit(rows.take(learn), None, own_seed)
        if here.stop.is_requested:
            return None
        held = rows.take(held_out)
        answers = fitted.answers_to(held)
        found.append(evaluate(answers, held.y, target.kind, target.classes, held.weight))
        moments.append(time.monotonic())
    if not found:
        fault = f"{len(rows)} rows make no folds to compare algorithms on; choose one algorithm"
        raise InvalidHyperparameters([fault])
    row = chosen.algorithm
    return Candidate(row.name, row.title, tuple(found), _seconds(moments)), seed


def _seconds(moments: Sequence[float]) -> float:
    """The seconds of all folds, from when the first began and when each was done."""
    each = [after - before for before, after in pairwise(moments)]
    return len(each) * fmean(each[1:] or each)


def _quiet(line: str) -> None:
    """Leave out what a fit says, which the job of the best algorithm says again."""
