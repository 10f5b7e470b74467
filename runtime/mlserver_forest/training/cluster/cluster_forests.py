"""A forest of which each host grows some of the trees."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from mlserver_forest.training.cluster.member import Member, Selection
from mlserver_forest.training.cluster.spread_rows import SpreadRows
from mlserver_forest.training.cluster.tree_arrays import TreeArrays, packed, unpacked
from mlserver_forest.training.fitting.fit_context import Curve, Grown
from mlserver_forest.training.fitting.fit_rows import Rows
from mlserver_forest.training.fitting.fit_spec import Order, balanced_class_weight
from mlserver_forest.training.fitting.votes import Votes

if TYPE_CHECKING:
    from mlserver_forest.training.cluster.many_hosts import ManyHosts


@dataclass(frozen=True, eq=False)
class Harvest:
    """What one host grew.

    Attributes:
        trees: their outputs are all classes'.
        curve: of the validation rows that the host watched.
        votes: on the host's rows, where they are wanted and known.
    """

    trees: TreeArrays
    curve: Curve
    votes: Votes | None


def grow_forest(
    hosts: "ManyHosts",
    order: Order,
    training: SpreadRows,
    validation: SpreadRows | None,
    kept_as: str | None,
) -> Grown:
    """Grow a forest; where all hosts have the same rows, it is the one that one host grows.

    Raises:
        InvalidData: where the training library refuses a host's rows.
    """
    if training.is_sharded and order.target.classes:
        order = balanced_class_weight(order, training.y)
        _warn_of_lacking_classes(hosts, order, training)
    ranges = _ranges(hosts, order, training)
    wanted = [
        (replace(order, first=start, n_steps=stop - start), selection, watched, kept_as)
        if stop > start
        else None
        for (start, stop), selection, watched in zip(
            ranges, training.selections(), _watched(training, validation), strict=True
        )
    ]
    found = hosts.each(grow_share, wanted)
    harvests = [harvest for harvest in found if harvest is not None]
    forest = _forest_of(order, [harvest.trees for harvest in harvests], hosts.n_features)
    curve = harvests[0].curve if found[0] is not None else []
    return Grown(forest, len(forest.estimators_), curve, _votes(training, found))


def _warn_of_lacking_classes(hosts: "ManyHosts", order: Order, training: SpreadRows) -> None:
    n_classes = len(order.target.classes)
    for name, rows in zip(hosts.names, training.rows_by_host(), strict=True):
        n_found = len(np.unique(training.y[rows]))
        if 0 < n_found < n_classes:
            hosts.here.say(
                f"warning: host {name!r} has rows of {n_found} of the {n_classes} classes, and the "
                "trees that grow there know no other; shuffle the rows before they are split into "
                "files, set S3DataDistributionType to FullyReplicated, or choose a boosting "
                "algorithm"
            )


def _ranges(hosts: "ManyHosts", order: Order, training: SpreadRows) -> list[tuple[int, int]]:
    """For each host the first of its trees, and the one behind the last: in proportion to the
    rows that it can learn from, and where all have the same, at the beginning of a step.
    """
    n_rows = np.array([len(rows) for rows in training.rows_by_host()])
    ends = np.rint(np.cumsum(n_rows) / n_rows.sum() * order.n_steps).astype(int).tolist()
    if not training.is_sharded:
        steps = order.steps(order.estimator(), training.here(), lambda line: None)
        ends = [*map(steps.aligned, ends[:-1]), order.n_steps]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _watched(training: SpreadRows, validation: SpreadRows | None) -> list[Selection | None]:
    """What is watched by each host: the first one's trees are the forest's first, too."""
    watched: list[Selection | None] = [None] * len(training.digests)
    if validation is not None and not validation.is_sharded and not training.is_sharded:
        watched[0] = validation.selections()[0]
    return watched


def grow_share(
    member: Member,
    order: Order,
    selection: Selection,
    watched: Selection | None,
    kept_as: str | None,
) -> Harvest:
    """Grow some of a forest's trees on this host's rows."""
    rows = member.select(selection)
    kept = None if kept_as is None else _kept_share(kept_as, rows, order.first)
    validation = None if watched is None else member.select(watched)
    grown = member.here.grow(_known_here(order, rows), rows, validation, kept)
    forest, n_classes = grown.estimator, len(order.target.classes)
    classes = forest.classes_ if n_classes else None
    trees = packed(forest.estimators_, classes, n_classes)
    return Harvest(trees, grown.curve, _on_all_classes(grown.out_of_bag, classes, n_classes))


def _on_all_classes(
    votes: Votes | None, classes: NDArray[Any] | None, n_classes: int
) -> Votes | None:
    """Votes with a column for each class."""
    if votes is None or classes is None or len(classes) == n_classes:
        return votes
    total = np.zeros((len(votes.total), n_classes))
    total[:, classes.astype(np.intp)] = votes.total
    return Votes(total, votes.count)


def _kept_share(kept_as: str, rows: Rows, first: int) -> str:
    """The fingerprint of a share's checkpoints, which depend on its rows and its first tree."""
    purpose, dash, fingerprint = kept_as.rpartition("-")
    facts = f"{fingerprint} {rows.digest()} {first}"
    return f"{purpose}{dash}{hashlib.sha256(facts.encode()).hexdigest()}"


def _known_here(order: Order, rows: Rows) -> Order:
    """Without the weights of classes that this host has no row of, which scikit-learn refuses."""
    if order.class_weight is None:
        return order
    here = set(np.unique(rows.y).tolist())
    weights = {code: weight for code, weight in order.class_weight.items() if code in here}
    return replace(order, class_weight=weights)


def _forest_of(order: Order, shares: Sequence[TreeArrays], n_features: int) -> Any:
    """scikit-learn's estimator, as if it had grown the trees (1.9, ``BaseForest.fit``)."""
    forest = order.estimator()
    forest.set_params(n_estimators=sum(map(len, shares)))
    forest.estimator_ = forest.estimator
    template = clone(forest.estimator)
    template.set_params(**{name: getattr(forest, name) for name in forest.estimator_params})
    forest.estimators_ = [
        tree for share in shares for tree in unpacked(share, template, n_features)
    ]
    forest.n_outputs_, forest.n_features_in_ = 1, n_features
    if order.target.classes:
        forest.n_classes_ = len(order.target.classes)
        forest.classes_ = np.arange(forest.n_classes_)
    return forest


def _votes(training: SpreadRows, found: Sequence[Harvest | None]) -> Votes | None:
    """Of all trees, or where each host has a part of the rows, of those that grew beside it."""
    votes = [None if harvest is None else harvest.votes for harvest in found]
    known = [vote for vote in votes if vote is not None]
    if not known:
        return None
    if not training.is_sharded:
        total = known[0]
        for vote in known[1:]:
            total += vote
        return total
    width = known[0].total.shape[1]
    filled = [
        vote or Votes(np.zeros((len(rows), width)), np.zeros((len(rows), 1)))
        for vote, rows in zip(votes, training.rows_by_host(), strict=True)
    ]
    if training.positions is not None:
        return None  # Only the final fit asks for votes, and it has all rows.
    return Votes(
        np.concatenate([vote.total for vote in filled]),
        np.concatenate([vote.count for vote in filled]),
    )
