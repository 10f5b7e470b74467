"""scikit-learn's gradient boosting on histograms, some rounds at a time by ``warm_start``."""

import math
import time
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mlserver_forest.errors import format_value
from mlserver_forest.training.fitting.checkpoints import Checkpoint, newest
from mlserver_forest.training.fitting.fit_context import FitContext, library_refusals
from mlserver_forest.training.fitting.fit_result import Curve, FitResult
from mlserver_forest.training.validation.evaluation import hold_out

# Each step sorts the values into bins anew, and adds up all rounds so far, so steps are long.
_STEP_SECONDS = 4.0
_FIRST_ROUNDS = 2
# Above this number of rows, early_stopping=auto means true (scikit-learn 1.9).
_AUTO_ROWS = 10_000
_FASTER = 4
# skops loads nothing else than these and scikit-learn's own estimators. The last two stand in the
# encoder of categories, which checks its columns by ``partial(check_array, ...)`` (1.9).
_TRUSTED = [
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "functools.partial",
    "sklearn.utils.validation.check_array",
]


def fit(context: FitContext) -> FitResult:
    """Boost; the rounds do not depend on the steps (scikit-learn 1.9).

    Raises:
        InvalidData: if scikit-learn refuses the rows.
    """
    estimator, done = _restored(context)
    if not context.spec.stops_early:
        estimator.set_params(early_stopping=False)
    elif context.validation is None and context.spec.target.classes:
        context = _with_watched_rows(context, estimator)
    size, per_round = _FIRST_ROUNDS, math.inf
    while done < context.n_steps and not (done and context.stop.is_requested):
        wanted = min(done + size, context.n_steps)
        began = time.monotonic()
        _boost(estimator, context, wanted)
        seconds = max(time.monotonic() - began, 1e-3)
        n_new, done = estimator.n_iter_ - done, estimator.n_iter_
        if done < wanted:  # It stopped early.
            break
        per_round = min(per_round, seconds / n_new)
        size = min(rounds_of_a_step(seconds - n_new * per_round, per_round), _FASTER * n_new)
        if context.checkpoints and done < context.n_steps:
            context.checkpoints.keep_all(done, partial(_content_of, estimator))
        context.progress.at(done, _metrics(estimator))
    scores = list(enumerate(estimator.validation_score_))[1:]
    curve: Curve = [(n, {"loss": -float(score)}) for n, score in scores]
    return FitResult(estimator.set_params(warm_start=False), done, curve)


def rounds_of_a_step(overhead: float, per_round: float) -> int:
    """How many rounds the next step has.

    It takes some seconds, or as long for its rounds as for all else: after many rounds, steps of
    single ones would do nothing but begin.

    Args:
        overhead: the seconds that a step takes beside its rounds.
        per_round: the seconds that a round takes.
    """
    return max(1, int(max(_STEP_SECONDS - overhead, overhead) / per_round))


def _with_watched_rows(context: FitContext, estimator: Any) -> FitContext:
    """Hold out the rows that early stopping watches, if scikit-learn could not.

    It needs two rows of each class, and as many rows on either side as there are classes.
    """
    n_rows, y = len(context.training), context.training.y
    is_on = n_rows > _AUTO_ROWS if estimator.early_stopping == "auto" else estimator.early_stopping
    counts, fraction = np.bincount(y), estimator.validation_fraction
    n_held_out = math.ceil(n_rows * fraction)
    n_classes = np.count_nonzero(counts)
    if not is_on or (counts.min() > 1 and n_classes <= min(n_held_out, n_rows - n_held_out)):
        return context
    split = hold_out(y, "classification", fraction, context.spec.seed)
    if split is None:
        estimator.set_params(early_stopping=False)
        context.say_once("too few rows to hold some out: boosting does not stop early")
        return context
    if (single := np.flatnonzero(counts == 1)).size:
        names = format_value([context.spec.target.classes[code] for code in single])
        context.say_once(
            f"early stopping watches no row of the classes {names}, which have one row each"
        )
    training, watched = map(context.training.take, split)
    return replace(context, training=training, validation=watched)


def _boost(estimator: Any, context: FitContext, n_rounds: int) -> None:
    rows, watched = context.training, context.validation
    validation = {}
    if watched is not None and estimator.early_stopping is not False:
        validation = {"X_val": watched.x, "y_val": watched.y, "sample_weight_val": watched.weight}
    threads = threadpool_limits(1 if context.is_small else None, "openmp")
    with library_refusals(), threads:
        estimator.set_params(max_iter=n_rounds, warm_start=True).fit(
            rows.x, rows.y, sample_weight=rows.weight, **validation
        )


def _restored(context: FitContext) -> tuple[Any, int]:
    """The estimator of the newest checkpoint and its rounds, or the unfitted one and 0."""
    estimator: Any = newest(context.checkpoints, _estimator_of)
    if type(estimator) is not type(context.estimator) or estimator.n_iter_ >= context.n_steps:
        return context.estimator, 0
    context.progress.at(estimator.n_iter_)
    return estimator, estimator.n_iter_


def _content_of(estimator: Any) -> bytes:
    import skops.io  # It imports all of scikit-learn, which takes a second.

    content: bytes = skops.io.dumps(estimator)
    return content


def _estimator_of(checkpoint: Checkpoint) -> Any:
    import skops.io

    return skops.io.loads(checkpoint.content, trusted=_TRUSTED)


def _metrics(estimator: Any) -> dict[str, float]:
    scores = estimator.validation_score_
    return {"loss": -float(scores[-1])} if len(scores) else {}
