"""A forest that several hosts fit together: each host fits some of the trees."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from mlserver_forest.training.algorithms.forests.forest_steps import steps_for
from mlserver_forest.training.algorithms.forests.forest_trees import (
    TreeArrays,
    pack_trees,
    unpack_trees,
)
from mlserver_forest.training.cluster.cluster_fit import ClusterFit
from mlserver_forest.training.cluster.job_cluster import JobCluster
from mlserver_forest.training.cluster.member import Member, Selection
from mlserver_forest.training.cluster.spread_rows import SpreadRows
from mlserver_forest.training.fitting.fit_result import Curve, FitResult, OutOfBagVotes
from mlserver_forest.training.fitting.fit_rows import Rows
from mlserver_forest.training.fitting.fit_spec import FitSpec


@dataclass(frozen=True, eq=False)
class PartialForest:
    """The trees of one host.

    Attributes:
        trees: with an output for each class of all hosts.
        curve: metrics on the validation rows that the host watched.
        votes: out-of-bag votes on the host's rows, if they are wanted and known.
    """

    trees: TreeArrays
    curve: Curve
    votes: OutOfBagVotes | None


def fit_forest_on_cluster(work: ClusterFit) -> FitResult:
    """Fit a forest on all hosts; if they have the same rows, it is the one that one host fits.

    Raises:
        InvalidData: if the training library refuses a host's rows.
    """
    spec, training = work.spec, work.training
    if training.is_sharded and spec.target.classes:
        spec = spec.with_balanced_classes(training.y)
        _warn_of_missing_classes(work.cluster, spec, training)
    ranges = _ranges(spec, training)
    wanted = [
        (replace(spec, first_tree=start, n_steps=stop - start), selection, watched, work.kept_as)
        if stop > start
        else None
        for (start, stop), selection, watched in zip(
            ranges, training.selections(), _watched(training, work.validation), strict=True
        )
    ]
    found: list[PartialForest | None] = work.cluster.each(fit_part, wanted)
    parts = [part for part in found if part is not None]
    forest = _merged(spec, [part.trees for part in parts])
    curve = parts[0].curve if found[0] is not None else []
    return FitResult(forest, len(forest.estimators_), curve, _merged_votes(training, found))


def fit_part(
    member: Member,
    spec: FitSpec,
    selection: Selection,
    watched: Selection | None,
    kept_as: str | None,
) -> PartialForest:
    """Fit some of a forest's trees on this host's rows.

    Args:
        member: this host.
        spec: what to fit; its steps are this host's trees.
        selection: the rows to learn from.
        watched: the rows to evaluate on, or None.
        kept_as: the fingerprint of the checkpoints, or None for no checkpoints.
    """
    rows = member.select(selection)
    kept = None if kept_as is None else _part_kept_as(kept_as, rows, spec.first_tree)
    validation = None if watched is None else member.select(watched)
    result = member.here.fit(_with_classes_here(spec, rows), rows, validation, kept)
    forest, n_classes = result.estimator, len(spec.target.classes)
    classes = forest.classes_ if n_classes else None
    trees = pack_trees(forest.estimators_, classes, n_classes)
    votes = _on_all_classes(result.out_of_bag, classes, n_classes)
    return PartialForest(trees, result.curve, votes)


def _warn_of_missing_classes(cluster: JobCluster, spec: FitSpec, training: SpreadRows) -> None:
    n_classes = len(spec.target.classes)
    for name, rows in zip(cluster.names, training.rows_by_host(), strict=True):
        n_found = len(np.unique(training.y[rows]))
        if 0 < n_found < n_classes:
            cluster.here.say(
                f"warning: host {name!r} has rows of {n_found} of the {n_classes} classes, and the "
                "trees that grow there know no other; shuffle the rows before they are split into "
                "files, set S3DataDistributionType to FullyReplicated, or choose a boosting "
                "algorithm"
            )


def _ranges(spec: FitSpec, training: SpreadRows) -> list[tuple[int, int]]:
    """The positions of each host's first tree and of the tree after its last.

    Hosts get trees in proportion to their rows. If all have the same rows, each host begins at a
    step of the whole forest.
    """
    n_rows = np.array([len(rows) for rows in training.rows_by_host()])
    ends = np.rint(np.cumsum(n_rows) / n_rows.sum() * spec.n_steps).astype(int).tolist()
    if not training.is_sharded:
        steps = steps_for(spec, spec.estimator(), training.here(), lambda line: None)
        ends = [*map(steps.aligned, ends[:-1]), spec.n_steps]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _watched(training: SpreadRows, validation: SpreadRows | None) -> list[Selection | None]:
    """The rows that each host watches: only the first one's trees are the forest's first."""
    watched: list[Selection | None] = [None] * len(training.digests)
    if validation is not None and not validation.is_sharded and not training.is_sharded:
        watched[0] = validation.selections()[0]
    return watched


def _part_kept_as(kept_as: str, rows: Rows, first_tree: int) -> str:
    """The fingerprint of a part's checkpoints, which depend on its rows and its first tree."""
    purpose, dash, fingerprint = kept_as.rpartition("-")
    facts = f"{fingerprint} {rows.digest()} {first_tree}"
    return f"{purpose}{dash}{hashlib.sha256(facts.encode()).hexdigest()}"


def _with_classes_here(spec: FitSpec, rows: Rows) -> FitSpec:
    """Leave out weights of classes without a row on this host, which scikit-learn refuses."""
    if spec.class_weight is None:
        return spec
    here = set(np.unique(rows.y).tolist())
    weights = {code: weight for code, weight in spec.class_weight.items() if code in here}
    return replace(spec, class_weight=weights)


def _on_all_classes(
    votes: OutOfBagVotes | None, classes: NDArray[Any] | None, n_classes: int
) -> OutOfBagVotes | None:
    """Votes with a column for each class."""
    if votes is None or classes is None or len(classes) == n_classes:
        return votes
    total = np.zeros((len(votes.total), n_classes))
    total[:, classes.astype(np.intp)] = votes.total
    return OutOfBagVotes(total, votes.count)


def _merged(spec: FitSpec, parts: Sequence[TreeArrays]) -> Any:
    """The estimator as if scikit-learn had fitted all trees (1.9, ``BaseForest.fit``)."""
    forest, n_features = spec.estimator(), len(spec.names)
    forest.set_params(n_estimators=sum(map(len, parts)))
    forest.estimator_ = forest.estimator
    template = clone(forest.estimator)
    template.set_params(**{name: getattr(forest, name) for name in forest.estimator_params})
    forest.estimators_ = [
        tree for part in parts for tree in unpack_trees(part, template, n_features)
    ]
    forest.n_outputs_, forest.n_features_in_ = 1, n_features
    if spec.target.classes:
        forest.n_classes_ = len(spec.target.classes)
        forest.classes_ = np.arange(forest.n_classes_)
    return forest


def _merged_votes(
    training: SpreadRows, parts: Sequence[PartialForest | None]
) -> OutOfBagVotes | None:
    """The votes of all trees; on sharded rows, of the trees that were fitted beside each row."""
    votes = [None if part is None else part.votes for part in parts]
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
        vote or OutOfBagVotes(np.zeros((len(rows), width)), np.zeros((len(rows), 1)))
        for vote, rows in zip(votes, training.rows_by_host(), strict=True)
    ]
    if training.positions is not None:
        return None  # Only the final fit asks for votes, and it has all rows.
    return OutOfBagVotes(
        np.concatenate([vote.total for vote in filled]),
        np.concatenate([vote.count for vote in filled]),
    )
