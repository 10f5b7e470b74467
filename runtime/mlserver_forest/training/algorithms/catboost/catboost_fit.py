"""CatBoost on one host."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import catboost

from mlserver_forest.errors import InvalidHyperparameters
from mlserver_forest.training.algorithms.catboost.catboost_estimators import with_texts
from mlserver_forest.training.fitting.boosting_rounds import BoostingRounds
from mlserver_forest.training.fitting.fit_context import FitContext, library_refusals
from mlserver_forest.training.fitting.fit_result import FitResult
from mlserver_forest.training.fitting.fit_rows import Rows


def fit(context: FitContext) -> FitResult:
    """Boost with CatBoost.

    No checkpoints are kept: CatBoost (1.2) starts from another model with other random choices
    and statistics of categories than it would have gone on with.

    Raises:
        InvalidData: if CatBoost refuses the rows.
    """
    rounds = BoostingRounds(context.progress, context.stop, checkpoints=None)
    rows, watched, patience = context.training, context.validation, context.early_stopping_rounds
    estimator = context.estimator.set_params(iterations=context.n_steps)
    if context.is_small and "thread_count" not in estimator.get_params():
        estimator.set_params(thread_count=1)
    with library_refusals(catboost.CatBoostError), _refusal_of_a_draw(estimator, len(rows)):
        estimator.fit(
            rows.x,
            rows.y,
            sample_weight=rows.weight,
            eval_set=watched and _pool(watched, estimator),
            early_stopping_rounds=patience,
            use_best_model=patience is not None,
            callbacks=[_AfterRound(rounds)],
        )
    return FitResult(estimator, estimator.tree_count_, rounds.curve)


@contextmanager
def _refusal_of_a_draw(estimator: Any, n_rows: int) -> Iterator[None]:
    """Name the hyperparameter by which a round has drawn no row, which depends on chance."""
    try:
        yield
    except catboost.CatBoostError as error:
        if "Too few sampling units" not in str(error):
            raise
        subsample = estimator.get_params()["subsample"]
        fault = f"subsample={subsample:g} of {n_rows} rows left a round without rows"
        raise InvalidHyperparameters([f"{fault}; choose a larger one"]) from error


def _pool(rows: Rows, estimator: Any) -> Any:
    columns = estimator.n_categories
    x = with_texts(rows.x, columns)
    return catboost.Pool(x, rows.y, cat_features=sorted(columns), weight=rows.weight)


class _AfterRound:
    """CatBoost's callback after each round."""

    def __init__(self, rounds: BoostingRounds) -> None:
        self._rounds = rounds

    def after_iteration(self, info: Any) -> bool:
        """Record a round; CatBoost goes on if it is true."""
        watched = info.metrics.get("validation", {})
        metrics = {name: float(values[-1]) for name, values in watched.items()}
        return not self._rounds.end_round(info.iteration, metrics, bytes)
