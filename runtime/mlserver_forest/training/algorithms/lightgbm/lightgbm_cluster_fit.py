"""LightGBM on all hosts of a job, by lightgbm.dask."""

import warnings
from typing import Any

import lightgbm
import numpy as np
from lightgbm.callback import EarlyStopException
from sklearn.preprocessing import LabelEncoder

from mlserver_forest.training.algorithms.lightgbm.lightgbm_fit import (
    booster_from,
    content_of,
    newest_metrics,
    start_of,
)
from mlserver_forest.training.cluster.boosting_cluster import BoostingCluster, StopConsensus
from mlserver_forest.training.cluster.cluster_fit import ClusterFit
from mlserver_forest.training.cluster.member import Selection
from mlserver_forest.training.fitting.checkpoints import Checkpoint
from mlserver_forest.training.fitting.fit_context import library_refusals
from mlserver_forest.training.fitting.fit_result import FitResult
from mlserver_forest.training.fitting.fit_spec import FitSpec

# The fewest rows with which a host can take part.
_LEAST_ROWS = 2


def fit_on_cluster(work: ClusterFit) -> FitResult:
    """Boost with LightGBM; the host that decides watches all validation rows.

    If it is given rows to watch, lightgbm.dask brings the rows of all hosts to this one, and each
    host judges by its own (4.7, ``_train``). So they are added by a callback instead.

    Raises:
        InvalidData: if LightGBM refuses the rows.
    """
    boosting = BoostingCluster(work, _LEAST_ROWS)
    spec = boosting.spec
    content = boosting.newest_booster(booster_from)
    booster = None if content is None else booster_from(Checkpoint(0, spec.n_steps, content))
    start, n_before = start_of(booster, spec.n_steps)
    rows = boosting.training()
    consensus = boosting.consensus()
    callbacks: list[Any] = [_AfterRound(consensus, _early_stopping(spec))]
    if boosting.validation is not None:
        watched = boosting.watched_by_one(boosting.validation)
        callbacks.append(_BeforeFirstRound(consensus, watched))
    estimator = _estimator(spec, work.cluster.client, spec.n_steps - n_before)
    with library_refusals(lightgbm.basic.LightGBMError), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Parameter .* will be ignored", UserWarning)
        work.cluster.bounded(
            lambda: estimator.fit(
                rows.x,
                rows.y,
                sample_weight=rows.weight,
                init_model=start,
                callbacks=callbacks,
            )
        )
    curve, best_round = boosting.watched()
    booster = estimator.booster_
    n_rounds = best_round or booster.current_iteration()
    text = booster.model_to_string(num_iteration=n_rounds)
    return FitResult(_whole(spec, lightgbm.Booster(model_str=text)), n_rounds, curve)


def _early_stopping(spec: FitSpec) -> dict[str, Any] | None:
    """Arguments of ``lightgbm.early_stopping``, or None if boosting does not stop early."""
    if spec.early_stopping_rounds is None:
        return None
    given = spec.estimator().get_params()
    return {
        "stopping_rounds": spec.early_stopping_rounds,
        "first_metric_only": given.get("first_metric_only", False),
        "min_delta": given.get("early_stopping_min_delta", 0.0),
        "verbose": False,
    }


def _estimator(spec: FitSpec, client: Any, n_rounds: int) -> Any:
    """A regressor, for a classification with its objective.

    lightgbm.dask's classifier learns the classes on each host from that host's rows.
    """
    parameters = spec.estimator().get_params()
    n_classes = len(spec.target.classes)
    if n_classes > 2:
        parameters["num_class"] = n_classes
    parameters |= {"objective": _objective(spec), "n_estimators": n_rounds, "client": client}
    return lightgbm.DaskLGBMRegressor(**parameters)


def _objective(spec: FitSpec) -> str:
    """The objective that was chosen, or the default of LightGBM's scikit-learn API."""
    default = ("regression", "regression", "binary", "multiclass")[min(len(spec.target.classes), 3)]
    return str(spec.estimator().objective or default)


def _whole(spec: FitSpec, booster: Any) -> Any:
    """The estimator as if one host had fitted it (4.7, ``LGBMModel.fit``)."""
    estimator = spec.estimator()
    fitted = {
        "_Booster": booster,
        "_n_features": booster.num_feature(),
        "_n_features_in": booster.num_feature(),
        "_best_iteration": booster.current_iteration(),
        "_objective": _objective(spec),
        "fitted_": True,
    }
    if n_classes := len(spec.target.classes):
        classes = np.arange(n_classes)
        fitted |= {"_classes": classes, "_n_classes": n_classes}
        fitted["_le"] = LabelEncoder().fit(classes)
    for name, value in fitted.items():
        setattr(estimator, name, value)
    return estimator


class _BeforeFirstRound:
    """LightGBM's callback that adds rows to watch, on the host that decides alone."""

    before_iteration = True
    order = 10

    def __init__(self, consensus: StopConsensus, validation: Selection) -> None:
        self._consensus = consensus
        self._validation = validation

    def __call__(self, env: Any) -> None:
        if self._consensus.decides and env.iteration == env.begin_iteration:
            rows, known = self._consensus.member.select(self._validation), env.model.train_set
            watched = lightgbm.Dataset(
                rows.x, rows.y, weight=rows.weight, reference=known, params=env.params
            )
            env.model.add_valid(watched, "valid_0")


class _AfterRound:
    """LightGBM's callback after each round.

    Args:
        consensus: of all hosts.
        early_stopping: arguments of ``lightgbm.early_stopping``, or None.
    """

    before_iteration = False
    order = 40

    def __init__(self, consensus: StopConsensus, early_stopping: dict[str, Any] | None) -> None:
        self._consensus = consensus
        self._early_stopping = early_stopping
        self._callback: Any = None

    def __call__(self, env: Any) -> None:
        results = env.evaluation_result_list or []
        is_enough = self._consensus.end_round(
            env.iteration + 1,
            newest_metrics(env),
            lambda: content_of(env),
            is_best=bool(results) and self._is_best(env),
        )
        if is_enough:
            raise EarlyStopException(env.iteration, results)

    def _is_best(self, env: Any) -> bool:
        """Whether ``lightgbm.early_stopping`` would stop after this round."""
        member = self._consensus.member
        if self._early_stopping is None or member.best_round is not None:
            return False
        if self._callback is None:
            self._callback = lightgbm.early_stopping(**self._early_stopping)
        try:
            self._callback(env)
        except EarlyStopException as enough:
            member.best_round = enough.best_iteration + 1
            return True
        return False
