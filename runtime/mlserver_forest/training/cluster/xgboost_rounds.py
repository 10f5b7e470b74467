"""XGBoost on all hosts, by xgboost.dask."""

from collections.abc import Mapping
from typing import Any

from xgboost import dask
from xgboost.callback import TrainingCallback
from xgboost.collective import Config

from mlserver_forest.training.cluster.boosting_cluster import Team
from mlserver_forest.training.cluster.spread_rows import SpreadRows
from mlserver_forest.training.cluster.stop_consensus import Pace
from mlserver_forest.training.fitting.boosting import newest_metrics, xgboost_start
from mlserver_forest.training.fitting.fit_context import Grown
from mlserver_forest.training.fitting.fit_spec import Order
from mlserver_forest.training.fitting.trees import fitting


def boost_xgboost(team: Team, order: Order, validation: SpreadRows | None) -> Grown:
    """Boost with XGBoost; all hosts share what they know of the validation rows, too.

    Raises:
        InvalidData: where XGBoost refuses the rows.
    """
    start, n_before = xgboost_start(team.restored(), order.n_steps)
    rows = team.training()
    watched = None if validation is None else team.arrays(validation)
    patience = order.chosen.early_stopping_rounds if watched and order.stops_early else None
    estimator = _estimator(order).set_params(
        n_estimators=order.n_steps - n_before,
        early_stopping_rounds=patience,
        callbacks=[_AfterRound(team.pace())],
    )
    estimator.client = team.hosts.client
    estimator.coll_cfg = Config(tracker_host_ip=team.hosts.own_address)
    weights = None if watched is None or watched.weight is None else [watched.weight]
    with fitting():
        team.hosts.bounded(
            lambda: estimator.fit(
                rows.x,
                rows.y,
                sample_weight=rows.weight,
                eval_set=watched and [(watched.x, watched.y)],
                sample_weight_eval_set=weights,
                xgb_model=start,
                verbose=False,
            )
        )
    booster = estimator.get_booster()
    whole = order.estimator()
    whole.load_model(bytearray(booster.save_raw("ubj")))
    n_rounds = booster.best_iteration + 1 if patience else booster.num_boosted_rounds()
    curve, _ = team.watched()
    return Grown(whole, n_rounds, curve)


def _estimator(order: Order) -> Any:
    """Dask's counterpart of the estimator."""
    alone = order.estimator()
    parameters = alone.get_params()
    if (parameters["n_jobs"] or 0) <= 0:
        parameters["n_jobs"] = None  # As many as the worker has CPUs.
    return (_Classifier if order.target.classes else _Regressor)(**parameters)


def _for_boosting(parameters: dict[str, Any]) -> dict[str, Any]:
    """Without what is for the network, of which XGBoost 3.2 says that it is not used."""
    return {name: value for name, value in parameters.items() if name != "coll_cfg"}


class _Classifier(dask.DaskXGBClassifier):
    def get_xgb_params(self) -> dict[str, Any]:
        return _for_boosting(super().get_xgb_params())


class _Regressor(dask.DaskXGBRegressor):
    def get_xgb_params(self) -> dict[str, Any]:
        return _for_boosting(super().get_xgb_params())


class _AfterRound(TrainingCallback):
    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:
        metrics = newest_metrics(evals_log)
        n_rounds = model.num_boosted_rounds()
        return self._pace.is_enough(n_rounds, metrics, lambda: bytes(model.save_raw("ubj")))
