"""Boosting round by round with XGBoost and LightGBM, which call back after each round."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lightgbm
import xgboost

from mlserver_forest.training.fitting.checkpoints import Checkpoints
from mlserver_forest.training.fitting.fit_context import SMALL, Curve, Grown, Task
from mlserver_forest.training.fitting.progress import Progress
from mlserver_forest.training.fitting.stopping import Stop
from mlserver_forest.training.fitting.trees import fitting


def grow_xgboost(task: Task) -> Grown:
    """Boost with XGBoost; stopping early needs validation rows.

    Raises:
        InvalidData: where XGBoost refuses the rows.
    """
    rounds = Rounds(task.progress, task.stop, task.checkpoints)
    start, n_before = xgboost_start(newest(task.checkpoints), task.n_steps)
    estimator = _with_threads(task).set_params(
        n_estimators=task.n_steps - n_before,
        early_stopping_rounds=task.patience,
        callbacks=[_XgboostCallback(rounds)],
    )
    watched = task.validation
    weights = None if watched is None or watched.weight is None else [watched.weight]
    rows = task.training
    with fitting():
        estimator.fit(
            rows.x,
            rows.y,
            sample_weight=rows.weight,
            eval_set=watched and [(watched.x, watched.y)],
            sample_weight_eval_set=weights,
            xgb_model=start,
            verbose=False,
        )
    n_rounds = estimator.get_booster().num_boosted_rounds()
    if estimator.early_stopping_rounds:
        n_rounds = estimator.best_iteration + 1
    return Grown(estimator.set_params(callbacks=None), n_rounds, rounds.curve)


def grow_lightgbm(task: Task) -> Grown:
    """Boost with LightGBM; stopping early needs validation rows.

    Raises:
        InvalidData: where LightGBM refuses the rows.
    """
    rounds = Rounds(task.progress, task.stop, task.checkpoints)
    start, n_before = lightgbm_start(newest(task.checkpoints), task.n_steps)
    watched, rows = task.validation, task.training
    estimator = _with_threads(task).set_params(
        n_estimators=task.n_steps - n_before, early_stopping_round=task.patience
    )
    with fitting():
        estimator.fit(
            rows.x,
            rows.y,
            sample_weight=rows.weight,
            eval_X=watched and (watched.x,),
            eval_y=watched and (watched.y,),
            eval_sample_weight=None if not watched or watched.weight is None else [watched.weight],
            init_model=start,
            callbacks=[_lightgbm_callback(rounds)],
        )
    n_rounds = estimator.best_iteration_ or estimator.booster_.current_iteration()
    return Grown(estimator, n_rounds, rounds.curve)


def _with_threads(task: Task) -> Any:
    """The estimator, with one thread for a small table where no number was chosen: waking the
    others takes longer than the work.
    """
    if task.training.x.size < SMALL and task.estimator.n_jobs in {None, -1}:
        return task.estimator.set_params(n_jobs=1)
    return task.estimator


def newest_metrics(evals_log: Mapping[str, Mapping[str, Sequence[Any]]]) -> dict[str, float]:
    """Of XGBoost's last round."""
    logs = (log.items() for log in evals_log.values())
    return {name: float(values[-1]) for log in logs for name, values in log}


def newest(checkpoints: Checkpoints | None) -> bytes | None:
    """The newest checkpoint's booster, or None."""
    found = checkpoints.restored() if checkpoints else []
    return found[-1].content if found else None


def xgboost_start(raw: bytes | None, n_steps: int) -> tuple[Any, int]:
    """What a checkpoint holds, to go on from, and its rounds; at least one is left to do."""
    if raw is None:
        return None, 0
    booster = xgboost.Booster(model_file=bytearray(raw))
    n_before = min(booster.num_boosted_rounds(), n_steps - 1)
    return (booster[:n_before], n_before) if n_before else (None, 0)


def lightgbm_start(raw: bytes | None, n_steps: int) -> tuple[Any, int]:
    """What a checkpoint holds, to go on from, and its rounds; at least one is left to do."""
    if raw is None:
        return None, 0
    booster = lightgbm.Booster(model_str=raw.decode())
    n_before = min(booster.current_iteration(), n_steps - 1)
    text = booster.model_to_string(num_iteration=n_before)
    return (lightgbm.Booster(model_str=text), n_before) if n_before else (None, 0)


class Rounds:
    """What is to be done after each round, whichever library boosts.

    Args:
        progress: told after each round.
        stop: asked after each round.
        checkpoints: where rounds are kept, or None.
    """

    def __init__(self, progress: Progress, stop: Stop, checkpoints: Checkpoints | None) -> None:
        self._progress = progress
        self._stop = stop
        self._checkpoints = checkpoints
        self.curve: Curve = []

    def is_enough(
        self, n_rounds: int, metrics: Mapping[str, float], booster: Callable[[], bytes]
    ) -> bool:
        """Tell and keep how far boosting is.

        Args:
            n_rounds: that are done, with those of a checkpoint.
            metrics: of the validation rows.
            booster: what is kept.

        Returns:
            Whether to stop.
        """
        if metrics:
            self.curve.append((n_rounds, dict(metrics)))
        self._progress.at(n_rounds, metrics)
        if self._checkpoints:
            self._checkpoints.keep_all(n_rounds, booster)
        return self._stop.is_requested


class _XgboostCallback(xgboost.callback.TrainingCallback):
    def __init__(self, rounds: Rounds) -> None:
        super().__init__()
        self._rounds = rounds

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        metrics = newest_metrics(evals_log)
        n_rounds = model.num_boosted_rounds()
        return self._rounds.is_enough(n_rounds, metrics, lambda: bytes(model.save_raw("ubj")))


def _lightgbm_callback(rounds: Rounds) -> Callable[[Any], None]:
    def after_iteration(env: Any) -> None:
        results = env.evaluation_result_list or []
        metrics = {name: float(value) for _, name, value, *_ in results}
        text = env.model.model_to_string
        if rounds.is_enough(env.iteration + 1, metrics, lambda: text(num_iteration=-1).encode()):
            raise lightgbm.callback.EarlyStopException(env.iteration, results)

    return after_iteration


GROWERS: Mapping[str, Callable[[Task], Grown]] = {
    "xgboost": grow_xgboost,
    "lightgbm": grow_lightgbm,
}
