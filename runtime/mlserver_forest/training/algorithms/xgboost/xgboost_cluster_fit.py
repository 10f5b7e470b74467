"""XGBoost on all hosts of a job, by xgboost.dask."""

from typing import Any

from xgboost import dask
from xgboost.collective import Config

from mlserver_forest.training.algorithms.xgboost.xgboost_fit import (
    AfterRound,
    boost,
    booster_from,
    ready_to_predict,
    start_of,
)
from mlserver_forest.training.cluster.boosting_cluster import BoostingCluster
from mlserver_forest.training.cluster.cluster_fit import ClusterFit
from mlserver_forest.training.fitting.checkpoints import Checkpoint
from mlserver_forest.training.fitting.fit_context import library_refusals
from mlserver_forest.training.fitting.fit_result import FitResult
from mlserver_forest.training.fitting.fit_spec import FitSpec

# The fewest rows with which a host can take part.
_LEAST_ROWS = 1


def fit_on_cluster(work: ClusterFit) -> FitResult:
    """Boost with XGBoost; all hosts share what they find on the validation rows, too.

    Raises:
        InvalidData: if XGBoost refuses the rows.
    """
    boosting = BoostingCluster(work, _LEAST_ROWS)
    spec = boosting.spec
    content = boosting.newest_booster(booster_from)
    booster = None if content is None else booster_from(Checkpoint(0, spec.n_steps, content))
    start, n_before = start_of(booster, spec.n_steps)
    rows = boosting.training()
    watched = None if boosting.validation is None else boosting.arrays(boosting.validation)
    patience = None if watched is None else spec.early_stopping_rounds
    estimator = _estimator(spec).set_params(
        n_estimators=spec.n_steps - n_before,
        early_stopping_rounds=patience,
        callbacks=[AfterRound(boosting.consensus().end_round)],
    )
    estimator.client = work.cluster.client
    estimator.coll_cfg = Config(tracker_host_ip=work.cluster.own_address)
    with library_refusals():
        work.cluster.bounded(lambda: boost(estimator, rows, watched, start))
    booster = estimator.get_booster()
    whole = spec.estimator()
    whole.load_model(bytearray(booster.save_raw("ubj")))
    n_rounds = booster.best_iteration + 1 if patience else booster.num_boosted_rounds()
    curve, _ = boosting.watched()
    return FitResult(ready_to_predict(whole), n_rounds, curve)


def _estimator(spec: FitSpec) -> Any:
    """Dask's counterpart of the estimator."""
    parameters = spec.estimator().get_params()
    if (parameters["n_jobs"] or 0) <= 0:
        parameters["n_jobs"] = None  # XGBoost takes as many as the worker has CPUs.
    return (_Classifier if spec.target.classes else _Regressor)(**parameters)


def _boosting_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is for the network; XGBoost 3.2 warns that boosting does not use it."""
    return {name: value for name, value in parameters.items() if name != "coll_cfg"}


class _Classifier(dask.DaskXGBClassifier):
    def get_xgb_params(self) -> dict[str, Any]:
        return _boosting_parameters(super().get_xgb_params())


class _Regressor(dask.DaskXGBRegressor):
    def get_xgb_params(self) -> dict[str, Any]:
        return _boosting_parameters(super().get_xgb_params())
