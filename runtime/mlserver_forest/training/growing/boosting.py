"""Boosting round by round with XGBoost and LightGBM, which call back after each round."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import lightgbm
import xgboost

from mlserver_forest.training.growing.task import Curve, Grown, Task
from mlserver_forest.training.growing.trees import fitting

_SECONDS_BETWEEN_CHECKPOINTS = 2.0


def grow_xgboost(task: Task) -> Grown:
    """Boost with XGBoost; stopping early needs validation rows.

    Raises:
        InvalidData: where XGBoost refuses the rows.
    """
    rounds = _Rounds(task)
    start, n_before = None, 0
    if raw := rounds.restored():
        start = xgboost.Booster(model_file=bytearray(raw))
        n_before = min(start.num_boosted_rounds(), task.n_steps - 1)
        start = start[:n_before] if n_before else None
    estimator = task.estimator.set_params(
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
    rounds = _Rounds(task)
    start, n_before = None, 0
    if raw := rounds.restored():
        start = lightgbm.Booster(model_str=raw.decode())
        n_before = min(start.current_iteration(), task.n_steps - 1)
        text = start.model_to_string(num_iteration=n_before)
        start = lightgbm.Booster(model_str=text) if n_before else None
    watched, rows = task.validation, task.training
    estimator = task.estimator.set_params(
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


class _Rounds:
    """What is to be done after each round, whichever library boosts."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._kept_at = time.monotonic()
        self.curve: Curve = []

    def restored(self) -> bytes | None:
        """The newest checkpoint's booster."""
        checkpoints = self._task.checkpoints
        found = checkpoints.restored() if checkpoints else []
        return found[-1].content if found else None

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
        task = self._task
        if metrics:
            self.curve.append((n_rounds, dict(metrics)))
        task.progress.at(n_rounds, metrics)
        is_due = time.monotonic() - self._kept_at > _SECONDS_BETWEEN_CHECKPOINTS
        if task.checkpoints and is_due:
            task.checkpoints.keep(0, n_rounds, booster())
            task.checkpoints.only(n_rounds)
            self._kept_at = time.monotonic()
        return task.stop.is_requested


class _XgboostCallback(xgboost.callback.TrainingCallback):
    def __init__(self, rounds: _Rounds) -> None:
        super().__init__()
        self._rounds = rounds

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        logs = (log.items() for log in evals_log.values())
        metrics = {name: float(values[-1]) for log in logs for name, values in log}
        n_rounds = model.num_boosted_rounds()
        return self._rounds.is_enough(n_rounds, metrics, lambda: bytes(model.save_raw("ubj")))


def _lightgbm_callback(rounds: _Rounds) -> Callable[[Any], None]:
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
