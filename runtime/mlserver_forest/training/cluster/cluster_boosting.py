"""Boosting on all hosts at once, by the libraries' own interfaces to Dask."""

from typing import TYPE_CHECKING

from mlserver_forest.training.cluster.boosting_cluster import Team
from mlserver_forest.training.cluster.lightgbm_rounds import boost_lightgbm
from mlserver_forest.training.cluster.spread_rows import SpreadRows
from mlserver_forest.training.cluster.xgboost_rounds import boost_xgboost
from mlserver_forest.training.fitting.fit_context import Grown
from mlserver_forest.training.fitting.fit_spec import Order, balanced_class_weight

if TYPE_CHECKING:
    from mlserver_forest.training.cluster.many_hosts import ManyHosts

# With the fewest rows with which a host can take part.
_BOOST = {"xgboost": (boost_xgboost, 1), "lightgbm": (boost_lightgbm, 2)}


def boost(
    hosts: "ManyHosts",
    order: Order,
    training: SpreadRows,
    validation: SpreadRows | None,
    kept_as: str | None,
) -> Grown:
    """Boost; each row counts once, also where all hosts have all rows.

    Raises:
        InvalidData: where the training library refuses the rows.
    """
    if order.target.classes:
        order = balanced_class_weight(order, training.y)
    if validation is not None and not len(validation):
        validation = None
    grow, least = _BOOST[order.algorithm]
    return grow(Team(hosts, order, training, kept_as, least), order, validation)
