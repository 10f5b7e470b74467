"""XGBoost on one host."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import xgboost

from mlserver_forest.training.fitting.boosting_rounds import BoostingRounds, booster_of
from mlserver_forest.training.fitting.checkpoints import Checkpoint, newest
from mlserver_forest.training.fitting.fit_context import FitContext, library_refusals
from mlserver_forest.training.fitting.fit_result import FitResult


def fit(context: FitContext) -> FitResult:
    """Boost with XGBoost.

    Raises:
        InvalidData: if XGBoost refuses the rows.
    """
    rounds = BoostingRounds(context.progress, context.stop, context.checkpoints)
    start, n_before = start_of(newest(context.checkpoints, booster_from), context.n_steps)
    estimator = booster_of(context).set_params(
        n_estimators=context.n_steps - n_before,
        early_stopping_rounds=context.early_stopping_rounds,
        callbacks=[AfterRound(rounds.end_round)],
    )
    with library_refusals():
        boost(estimator, context.training, context.validation, start)
    n_rounds = estimator.get_booster().num_boosted_rounds()
    if estimator.early_stopping_rounds:
        n_rounds = estimator.best_iteration + 1
    return FitResult(ready_to_predict(estimator), n_rounds, rounds.curve)


def ready_to_predict(estimator: Any) -> Any:
    """A fitted estimator without what was for fitting alone.

    ``set_params`` of a fitted estimator would give the booster a list of metrics as text, such as
    "['auc']", which it then does not know (XGBoost 3.2).
    """
    estimator.callbacks = estimator.eval_metric = None
    return estimator


def boost(estimator: Any, rows: Any, watched: Any, start: Any) -> None:
    """Fit an estimator of XGBoost, or of xgboost.dask with rows as Dask has them.

    Args:
        estimator: unfitted.
        rows: the rows to learn from.
        watched: rows to evaluate on after each round, or None.
        start: the booster to continue from, or None.
    """
    weights = None if watched is None or watched.weight is None else [watched.weight]
    estimator.fit(
        rows.x,
        rows.y,
        sample_weight=rows.weight,
        eval_set=watched and [(watched.x, watched.y)],
        sample_weight_eval_set=weights,
        xgb_model=start,
        verbose=False,
    )


def booster_from(checkpoint: Checkpoint) -> Any:
    """The booster of a checkpoint.

    Raises:
        Exception: if the library cannot read it.
    """
    return xgboost.Booster(model_file=bytearray(checkpoint.content))


def start_of(booster: Any, n_steps: int) -> tuple[Any, int]:
    """A checkpoint's booster to continue from, and its rounds; at least one is left to do.

    Args:
        booster: the booster of the checkpoint, or None.
        n_steps: the rounds to reach.
    """
    if booster is None:
        return None, 0
    n_before = min(booster.num_boosted_rounds(), n_steps - 1)
    return (booster[:n_before], n_before) if n_before else (None, 0)


class AfterRound(xgboost.callback.TrainingCallback):
    """XGBoost's callback after each round.

    Args:
        end_round: of ``BoostingRounds``, or of all hosts' ``StopConsensus``.
    """

    def __init__(self, end_round: Callable[..., bool]) -> None:
        super().__init__()
        self._end_round = end_round

    def after_iteration(
        self, model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, Sequence[Any]]]
    ) -> bool:
        logs = (log.items() for log in evals_log.values())
        metrics = {name: float(values[-1]) for log in logs for name, values in log}
        n_rounds = model.num_boosted_rounds()
        return self._end_round(n_rounds, metrics, lambda: bytes(model.save_raw("ubj")))
