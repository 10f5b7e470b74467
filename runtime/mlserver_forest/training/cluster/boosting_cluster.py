"""The hosts that boost together, and their rows as Dask has them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from dask import array
from numpy.typing import NDArray

from mlserver_forest.training.algorithms.estimators import DTYPES
from mlserver_forest.training.cluster.member import Member, Selection
from mlserver_forest.training.cluster.spread_rows import SpreadRows
from mlserver_forest.training.cluster.stop_consensus import Pace, begin
from mlserver_forest.training.fitting.boosting import newest
from mlserver_forest.training.fitting.fit_context import Curve
from mlserver_forest.training.fitting.fit_rows import Rows
from mlserver_forest.training.fitting.fit_spec import Order

if TYPE_CHECKING:
    from mlserver_forest.training.cluster.many_hosts import ManyHosts


_WATCHED = "watched"


@dataclass(frozen=True, eq=False)
class Arrays:
    """Rows as Dask arrays of one chunk a host, which stays there.

    Attributes:
        x: (n_samples, n_features).
        y: (n_samples,).
        weight: (n_samples,) or None.
    """

    x: Any
    y: Any
    weight: Any


class Team:
    """The hosts that have rows to learn from.

    Args:
        hosts: of the job.
        order: what they boost.
        training: the rows; a host needs ``least`` of them.
        kept_as: the fingerprint of the checkpoints, or None for no checkpoints.
        least: rows.
    """

    def __init__(
        self,
        hosts: "ManyHosts",
        order: Order,
        training: SpreadRows,
        kept_as: str | None,
        least: int,
    ) -> None:
        self.hosts = hosts
        self._order = order
        self._training = training
        self._kept_as = kept_as
        self._least = least
        self._takes_part = [n_rows >= least for _, n_rows in training.parts()]
        hosts.everywhere(begin)

    @property
    def _decider(self) -> int:
        """The host that decides: the first that takes part."""
        return self._takes_part.index(True)

    def pace(self) -> Pace:
        """What keeps them together."""
        pairs = zip(self.hosts.addresses, self._takes_part, strict=True)
        workers = [address for address, takes_part in pairs if takes_part]
        decider = self.hosts.names[self._decider]
        return Pace(decider, workers, self._order.n_steps, self._kept_as)

    def restored(self) -> bytes | None:
        """The newest checkpoint of the host that decides."""
        found: bytes | None = self._ask(restored, self._kept_as)
        return found

    def watched(self) -> tuple[Curve, int | None]:
        """The metrics on the validation rows, and the best round where that was found."""
        found: tuple[Curve, int | None] = self._ask(watched)
        return found

    def watched_by_one(self, rows: SpreadRows) -> Selection:
        """Rows that the host that decides has all, after this."""
        if not rows.is_sharded:
            return rows.selections()[self._decider]
        self._ask(keep, rows.fetched())
        return Selection(_WATCHED)

    def training(self) -> Arrays:
        """The rows to learn from, of those who take part."""
        return self.arrays(self._training, self._least)

    def arrays(self, rows: SpreadRows, least: int = 1) -> Arrays:
        """Rows as Dask arrays, each row once."""
        pairs = zip(self.hosts.addresses, rows.parts(), strict=True)
        parts = [(address, *part) for address, part in pairs if part[1] >= least]
        dtype = DTYPES[self._order.algorithm]
        width = (self.hosts.n_features,)
        return Arrays(
            self._array(matrix_of, parts, dtype, width),
            self._array(labels_of, parts, rows.y.dtype),
            None if rows.weight is None else self._array(weights_of, parts, rows.weight.dtype),
        )

    def _array(
        self,
        function: Callable[[Member, Selection], NDArray[Any]],
        parts: Sequence[tuple[str, Selection, int]],
        dtype: Any,
        width: tuple[int, ...] = (),
    ) -> Any:
        chunks = [
            array.from_delayed(
                self.hosts.submit(address, function, selection), (n_rows, *width), dtype
            )
            for address, selection, n_rows in parts
        ]
        return array.concatenate(chunks)

    def _ask(self, function: Any, *arguments: Any) -> Any:
        """Call a function of the member on the host that decides."""
        wanted: list[Any] = [None] * len(self.hosts.names)
        wanted[self._decider] = arguments
        return self.hosts.each(function, wanted)[self._decider]


def restored(member: Member, kept_as: str | None) -> bytes | None:
    """A host's newest checkpoint."""
    return newest(member.here.checkpoints(kept_as))


def keep(member: Member, rows: Rows) -> None:
    """Have a host keep rows that it watches."""
    member.rows[_WATCHED] = rows


def watched(member: Member) -> tuple[Curve, int | None]:
    """What a host saw while it boosted."""
    return member.curve, member.best_round


def matrix_of(member: Member, selection: Selection) -> NDArray[Any]:
    """(n_samples, n_features), of rows of a host."""
    return member.select(selection).x


def labels_of(member: Member, selection: Selection) -> NDArray[Any]:
    """(n_samples,), of the same."""
    return member.select(selection).y


def weights_of(member: Member, selection: Selection) -> NDArray[Any]:
    """(n_samples,), of the same, where rows have weights."""
    weight = member.select(selection).weight
    return np.empty(0) if weight is None else weight
