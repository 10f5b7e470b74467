"""LightGBM on all hosts, by lightgbm.dask."""

import warnings
from typing import Any

import lightgbm
import numpy as np
from lightgbm.callback import EarlyStopException
from sklearn.preprocessing import LabelEncoder

from mlserver_forest.training.cluster.boosting_cluster import Team
from mlserver_forest.training.cluster.member import Selection
from mlserver_forest.training.cluster.spread_rows import SpreadRows
from mlserver_forest.training.cluster.stop_consensus import Pace
from mlserver_forest.training.fitting.boosting import lightgbm_start
from mlserver_forest.training.fitting.fit_context import Grown
from mlserver_forest.training.fitting.fit_spec import Order
from mlserver_forest.training.fitting.trees import fitting


def boost_lightgbm(team: Team, order: Order, validation: SpreadRows | None) -> Grown:
    """Boost with LightGBM; the host that decides watches all validation rows.

    lightgbm.dask would bring the rows of all hosts to this one where it is given some to watch
    (4.7, ``_train``), and each host would judge by its own.

    Raises:
        InvalidData: where LightGBM refuses the rows.
    """
    start, n_before = lightgbm_start(team.restored(), order.n_steps)
    rows = team.training()
    pace = team.pace()
    callbacks: list[Any] = [_AfterRound(pace, _patience(order))]
    if validation is not None:
        callbacks.append(_BeforeFirstRound(pace, team.watched_by_one(validation)))
    estimator = _estimator(order, team.hosts.client, order.n_steps - n_before)
    with fitting(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Parameter .* will be ignored", UserWarning)
        team.hosts.bounded(
            lambda: estimator.fit(
                rows.x,
                rows.y,
                sample_weight=rows.weight,
                init_model=start,
                callbacks=callbacks,
            )
        )
    curve, best_round = team.watched()
    booster = estimator.booster_
    n_rounds = best_round or booster.current_iteration()
    text = booster.model_to_string(num_iteration=n_rounds)
    return Grown(_whole(order, lightgbm.Booster(model_str=text)), n_rounds, curve)


def _patience(order: Order) -> dict[str, Any] | None:
    """How early stopping is asked for, or None."""
    rounds = order.chosen.early_stopping_rounds
    if rounds is None or not order.stops_early:
        return None
    given = order.estimator().get_params()
    return {
        "stopping_rounds": rounds,
        "first_metric_only": given.get("first_metric_only", False),
        "min_delta": given.get("early_stopping_min_delta", 0.0),
        "verbose": False,
    }


def _estimator(order: Order, client: Any, n_rounds: int) -> Any:
    """A regressor with the objective of the classification, if it is one: lightgbm.dask's
    classifier learns the classes on each host from its own rows.
    """
    parameters = order.estimator().get_params()
    n_classes = len(order.target.classes)
    if n_classes > 2:
        parameters["num_class"] = n_classes
    parameters |= {"objective": _objective(order), "n_estimators": n_rounds, "client": client}
    return lightgbm.DaskLGBMRegressor(**parameters)


def _objective(order: Order) -> str:
    """The one that was chosen, or that LightGBM's scikit-learn API chooses."""
    default = ("regression", "regression", "binary", "multiclass")[
        min(len(order.target.classes), 3)
    ]
    return str(order.estimator().objective or default)


def _whole(order: Order, booster: Any) -> Any:
    """The estimator that one host would have fitted (4.7, ``LGBMModel.fit``)."""
    estimator = order.estimator()
    fitted = {
        "_Booster": booster,
        "_n_features": booster.num_feature(),
        "_n_features_in": booster.num_feature(),
        "_best_iteration": booster.current_iteration(),
        "_objective": _objective(order),
        "fitted_": True,
    }
    if n_classes := len(order.target.classes):
        classes = np.arange(n_classes)
        fitted |= {"_classes": classes, "_n_classes": n_classes}
        fitted["_le"] = LabelEncoder().fit(classes)
    for name, value in fitted.items():
        setattr(estimator, name, value)
    return estimator


class _BeforeFirstRound:
    """LightGBM's callback that adds rows to watch on the host that decides, and on no other."""

    before_iteration = True
    order = 10

    def __init__(self, pace: Pace, validation: Selection) -> None:
        self._pace = pace
        self._validation = validation

    def __call__(self, env: Any) -> None:
        if self._pace.decides and env.iteration == env.begin_iteration:
            rows, known = self._pace.member.select(self._validation), env.model.train_set
            watched = lightgbm.Dataset(
                rows.x, rows.y, weight=rows.weight, reference=known, params=env.params
            )
            env.model.add_valid(watched, "valid_0")


class _AfterRound:
    """LightGBM's callback.

    Args:
        pace: of all hosts.
        patience: arguments of ``lightgbm.early_stopping``, or None.
    """

    before_iteration = False
    order = 40

    def __init__(self, pace: Pace, patience: dict[str, Any] | None) -> None:
        self._pace = pace
        self._patience = patience
        self._stops_early: Any = None

    def __call__(self, env: Any) -> None:
        results = env.evaluation_result_list or []
        metrics = {name: float(value) for _, name, value, *_ in results}
        text = env.model.model_to_string
        is_enough = self._pace.is_enough(
            env.iteration + 1,
            metrics,
            lambda: text(num_iteration=-1).encode(),
            is_best=bool(results) and self._is_best(env),
        )
        if is_enough:
            raise EarlyStopException(env.iteration, results)

    def _is_best(self, env: Any) -> bool:
        """Whether it has not become better for long, as lightgbm.early_stopping sees it."""
        member = self._pace.member
        if self._patience is None or member.best_round is not None:
            return False
        if self._stops_early is None:
            self._stops_early = lightgbm.early_stopping(**self._patience)
        try:
            self._stops_early(env)
        except EarlyStopException as enough:
            member.best_round = enough.best_iteration + 1
            return True
        return False
