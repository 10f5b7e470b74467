"""scikit-learn's HistGradientBoosting, some rounds at a time by its ``warm_start``."""

import time
from functools import partial
from typing import Any

from threadpoolctl import threadpool_limits

from mlserver_forest.training.fitting.checkpoints import Checkpoint
from mlserver_forest.training.fitting.fit_context import SMALL, Curve, Grown, Task
from mlserver_forest.training.fitting.trees import fitting

# Each step sorts the values into bins anew.
_STEP_SECONDS = 4.0
_FIRST_ROUNDS = 2
_FASTER = 4
# skops loads nothing else than this and scikit-learn's own estimators.
_TRUSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]


def grow_hist_gradient_boosting(task: Task) -> Grown:
    """Boost; the rounds do not depend on the steps (scikit-learn 1.9).

    Raises:
        InvalidData: where scikit-learn refuses the rows.
    """
    estimator, done = _restored(task)
    if not task.stops_early:
        estimator.set_params(early_stopping=False)
    size = _FIRST_ROUNDS
    while done < task.n_steps and not (done and task.stop.is_requested):
        wanted = min(done + size, task.n_steps)
        began = time.monotonic()
        _boost(estimator, task, wanted)
        seconds = max(time.monotonic() - began, 1e-3)
        grew, done = estimator.n_iter_ - done, estimator.n_iter_
        if done < wanted:  # Stopped early.
            break
        size = max(1, min(int(grew * _STEP_SECONDS / seconds), _FASTER * grew))
        if task.checkpoints and done < task.n_steps:
            task.checkpoints.keep_all(done, partial(_content_of, estimator))
        task.progress.at(done, _metrics(estimator))
    scores = list(enumerate(estimator.validation_score_))[1:]
    curve: Curve = [(n, {"loss": -float(score)}) for n, score in scores]
    return Grown(estimator.set_params(warm_start=False), done, curve)


def _boost(estimator: Any, task: Task, n_rounds: int) -> None:
    rows, watched = task.training, task.validation
    validation = {}
    if watched is not None and estimator.early_stopping is not False:
        validation = {"X_val": watched.x, "y_val": watched.y, "sample_weight_val": watched.weight}
    with fitting(), _threads(rows.x.size):
        estimator.set_params(max_iter=n_rounds, warm_start=True).fit(
            rows.x, rows.y, sample_weight=rows.weight, **validation
        )


def _threads(n_values: int) -> Any:
    """One thread for a small table: waking the others takes longer than the work."""
    return threadpool_limits(1 if n_values < SMALL else None, "openmp")


def _restored(task: Task) -> tuple[Any, int]:
    """The estimator of the newest checkpoint and its rounds, or the one to begin with."""
    found = task.checkpoints.restored() if task.checkpoints else []
    estimator: Any = _estimator_of(found[-1]) if found else None
    if type(estimator) is not type(task.estimator) or estimator.n_iter_ >= task.n_steps:
        return task.estimator, 0
    task.progress.at(estimator.n_iter_)
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
