"""LightGBM on one host."""

from collections.abc import Callable
from typing import Any

import lightgbm

from mlserver_forest.errors import InvalidHyperparameters
from mlserver_forest.training.fitting.boosting_rounds import BoostingRounds, booster_of
from mlserver_forest.training.fitting.checkpoints import Checkpoint, newest
from mlserver_forest.training.fitting.fit_context import FitContext, library_refusals
from mlserver_forest.training.fitting.fit_result import FitResult


def fit(context: FitContext) -> FitResult:
    """Boost with LightGBM.

    Raises:
        InvalidData: if LightGBM refuses the rows.
    """
    rounds = BoostingRounds(context.progress, context.stop, context.checkpoints)
    start, n_before = start_of(newest(context.checkpoints, booster_from), context.n_steps)
    rows, watched = context.training, context.validation
    estimator = booster_of(context).set_params(
        n_estimators=context.n_steps - n_before,
        early_stopping_round=context.early_stopping_rounds,
    )
    _require_drawn_rows(estimator, len(rows))
    with library_refusals(lightgbm.basic.LightGBMError):
        estimator.fit(
            rows.x,
            rows.y,
            sample_weight=rows.weight,
            eval_X=watched and (watched.x,),
            eval_y=watched and (watched.y,),
            eval_sample_weight=None if not watched or watched.weight is None else [watched.weight],
            init_model=start,
            callbacks=[_callback(rounds)],
        )
    n_rounds = estimator.best_iteration_ or estimator.booster_.current_iteration()
    return FitResult(estimator, n_rounds, rounds.curve)


def _require_drawn_rows(estimator: Any, n_rows: int) -> None:
    """Refuse to draw no row at all, which LightGBM only reports as a failed check."""
    if estimator.subsample_freq and estimator.subsample * n_rows < 1:
        fault = f"subsample={estimator.subsample:g} of {n_rows} rows is less than one row"
        raise InvalidHyperparameters([f"{fault}; choose {1 / n_rows:.2g} or more"])


def booster_from(checkpoint: Checkpoint) -> Any:
    """The booster of a checkpoint.

    Raises:
        Exception: if the library cannot read it.
    """
    return lightgbm.Booster(model_str=checkpoint.content.decode())


def start_of(booster: Any, n_steps: int) -> tuple[Any, int]:
    """A checkpoint's booster to continue from, and its rounds; at least one is left to do.

    Args:
        booster: the booster of the checkpoint, or None.
        n_steps: the rounds to reach.
    """
    if booster is None:
        return None, 0
    n_before = min(booster.current_iteration(), n_steps - 1)
    text = booster.model_to_string(num_iteration=n_before)
    return (lightgbm.Booster(model_str=text), n_before) if n_before else (None, 0)


def newest_metrics(env: Any) -> dict[str, float]:
    """The metrics of the round that LightGBM's callback environment describes."""
    return {name: float(value) for _, name, value, *_ in env.evaluation_result_list or []}


def content_of(env: Any) -> bytes:
    """The content of a checkpoint after the round of a callback environment."""
    text: str = env.model.model_to_string(num_iteration=-1)
    return text.encode()


def _callback(rounds: BoostingRounds) -> Callable[[Any], None]:
    def after_iteration(env: Any) -> None:
        if rounds.end_round(env.iteration + 1, newest_metrics(env), lambda: content_of(env)):
            results = env.evaluation_result_list or []
            raise lightgbm.callback.EarlyStopException(env.iteration, results)

    return after_iteration
