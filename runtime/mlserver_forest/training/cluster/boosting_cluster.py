"""Boosting on several hosts: their rows as Dask arrays, and how they stop together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from dask import array
from distributed import get_client
from numpy.typing import NDArray

from mlserver_forest.training.cluster.cluster_fit import ClusterFit
from mlserver_forest.training.cluster.member import Member, Selection, member_of, this_member
from mlserver_forest.training.cluster.spread_rows import SpreadRows
from mlserver_forest.training.fitting.boosting_rounds import BoostingRounds
from mlserver_forest.training.fitting.checkpoints import Checkpoint, newest
from mlserver_forest.training.fitting.fit_result import Curve
from mlserver_forest.training.fitting.fit_rows import Rows
from mlserver_forest.training.fitting.fit_spec import FitSpec
from mlserver_forest.training.fitting.progress import Progress

_WATCHED = "watched"


@dataclass(frozen=True, eq=False)
class DaskRows:
    """Rows as Dask arrays with one chunk for each host, which stays there.

    Attributes:
        x: (n_samples, n_features) the features.
        y: (n_samples,) the targets.
        weight: (n_samples,) the weights, or None.
    """

    x: Any
    y: Any
    weight: Any


class BoostingCluster:
    """The hosts that boost together.

    Args:
        work: the fit.
        least: the fewest rows with which a host can take part.

    Attributes:
        spec: what to fit, with class weights computed from all rows.
        validation: the rows on which metrics are watched, or None.
    """

    def __init__(self, work: ClusterFit, least: int) -> None:
        self._cluster = work.cluster
        self._training = work.training
        self._kept_as = work.kept_as
        self._least = least
        self._takes_part = [n_rows >= least for _, n_rows in work.training.parts()]
        is_classes = bool(work.spec.target.classes)
        self.spec: FitSpec = (
            work.spec.with_balanced_classes(work.training.y) if is_classes else work.spec
        )
        self.validation = work.validation or None
        work.cluster.everywhere(_begin)

    def consensus(self) -> "StopConsensus":
        """How the hosts stop after the same round."""
        pairs = zip(self._cluster.addresses, self._takes_part, strict=True)
        workers = [address for address, takes_part in pairs if takes_part]
        decider = self._cluster.names[self._decider]
        return StopConsensus(decider, workers, self.spec.n_steps, self._kept_as)

    def newest_booster(self, read: Callable[[Checkpoint], Any]) -> bytes | None:
        """The content of the newest checkpoint of the host that decides.

        Args:
            read: makes a booster of a checkpoint, or fails.
        """
        found: bytes | None = self._ask(_newest_booster, self._kept_as, read)
        return found

    def watched(self) -> tuple[Curve, int | None]:
        """The metrics on the validation rows, and the best round, or None if it is not known."""
        found: tuple[Curve, int | None] = self._ask(_watched)
        return found

    def watched_by_one(self, rows: SpreadRows) -> Selection:
        """Bring all rows to the host that decides."""
        if not rows.is_sharded:
            return rows.selections()[self._decider]
        self._ask(_keep, rows.fetched())
        return Selection(_WATCHED)

    def training(self) -> DaskRows:
        """The training rows of the hosts that take part."""
        return self.arrays(self._training, self._least)

    def arrays(self, rows: SpreadRows, least: int = 1) -> DaskRows:
        """Rows as Dask arrays, in which each row occurs once.

        Args:
            rows: the rows.
            least: the fewest rows with which a host takes part.
        """
        pairs = zip(self._cluster.addresses, rows.parts(), strict=True)
        parts = [(address, *part) for address, part in pairs if part[1] >= least]
        width = (len(self.spec.names),)
        return DaskRows(
            self._array(_matrix_of, parts, np.dtype(self.spec.algorithm.dtype), width),
            self._array(_labels_of, parts, rows.y.dtype),
            None if rows.weight is None else self._array(_weights_of, parts, rows.weight.dtype),
        )

    @property
    def _decider(self) -> int:
        """The position of the host that decides: the first that takes part."""
        return self._takes_part.index(True)

    def _array(
        self,
        function: Callable[[Member, Selection], NDArray[Any]],
        parts: Sequence[tuple[str, Selection, int]],
        dtype: Any,
        width: tuple[int, ...] = (),
    ) -> Any:
        chunks = [
            array.from_delayed(
                self._cluster.submit(address, function, selection), (n_rows, *width), dtype
            )
            for address, selection, n_rows in parts
        ]
        return array.concatenate(chunks)

    def _ask(self, function: Any, *arguments: Any) -> Any:
        """Call a function on the host that decides."""
        wanted: list[Any] = [None] * len(self._cluster.names)
        wanted[self._decider] = arguments
        return self._cluster.each(function, wanted)[self._decider]


class StopConsensus:
    """Makes all hosts stop after the same round; called after each round on each host.

    No host ends a round before all have done so. Therefore the host that decides, in its call
    after a round, tells all hosts that the next round is the last, and returns once they know.

    Args:
        decider: the host that decides, reports progress and keeps checkpoints.
        workers: the addresses of all hosts that boost.
        n_steps: the number of rounds.
        kept_as: the fingerprint of the checkpoints, or None for no checkpoints.
    """

    def __init__(self, decider: str, workers: list[str], n_steps: int, kept_as: str | None) -> None:
        self._decider = decider
        self._workers = workers
        self._n_steps = n_steps
        self._kept_as = kept_as
        # These are created on each host, and are not pickled.
        self._member: Member | None = None
        self._rounds: BoostingRounds | None = None

    @property
    def member(self) -> Member:
        """The member of the host on which this is called."""
        if self._member is None:
            self._member = this_member()
        return self._member

    @property
    def decides(self) -> bool:
        """Whether this host decides."""
        return self.member.here.config.host == self._decider

    def end_round(
        self,
        n_rounds: int,
        metrics: Mapping[str, float],
        booster: Callable[[], bytes],
        *,
        is_best: bool = False,
    ) -> bool:
        """Record a round, and return whether all hosts stop after it.

        Args:
            n_rounds: the number of rounds so far, including those of a checkpoint.
            metrics: the metrics on the validation rows, on the host that decides.
            booster: returns the content of a checkpoint.
            is_best: whether more rounds would not improve the model.
        """
        member = self.member
        if self.decides:
            rounds = self._recorder()
            is_asked = rounds.end_round(n_rounds, metrics, booster)
            member.curve = rounds.curve
            if (is_asked or is_best) and member.last_round is None:
                get_client().run(_end_after, n_rounds + 1, workers=self._workers)
        return member.last_round is not None and n_rounds >= member.last_round

    def _recorder(self) -> BoostingRounds:
        if self._rounds is None:
            here = self.member.here
            progress = Progress("rounds", self._n_steps, here.say)
            self._rounds = BoostingRounds(progress, here.stop, here.checkpoints(self._kept_as))
        return self._rounds


def _begin(member: Member) -> None:
    """Reset what was decided when this host last boosted."""
    member.last_round, member.best_round, member.curve = None, None, []


def _end_after(n_rounds: int, dask_worker: Any) -> None:
    """Tell a host its last round."""
    member_of(dask_worker).last_round = n_rounds


def _newest_booster(
    member: Member, kept_as: str | None, read: Callable[[Checkpoint], Any]
) -> bytes | None:
    def content_if_readable(checkpoint: Checkpoint) -> bytes:
        read(checkpoint)
        return checkpoint.content

    return newest(member.here.checkpoints(kept_as), content_if_readable)


def _keep(member: Member, rows: Rows) -> None:
    """Make a host keep the rows on which it watches metrics."""
    member.rows[_WATCHED] = rows


def _watched(member: Member) -> tuple[Curve, int | None]:
    return member.curve, member.best_round


def _matrix_of(member: Member, selection: Selection) -> NDArray[Any]:
    return member.select(selection).x


def _labels_of(member: Member, selection: Selection) -> NDArray[Any]:
    return member.select(selection).y


def _weights_of(member: Member, selection: Selection) -> NDArray[Any]:
    weight = member.select(selection).weight
    return np.empty(0) if weight is None else weight
