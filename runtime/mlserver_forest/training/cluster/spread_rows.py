"""Rows of which each host has a part, or all."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Forest
from mlserver_forest.training.cluster.member import Member, Selection
from mlserver_forest.training.fitting.fit_rows import Rows

if TYPE_CHECKING:
    from mlserver_forest.training.cluster.many_hosts import ManyHosts

# As many as the report samples, and more than the self-test needs.
_MOST_SHOWN = 20_000


@dataclass(frozen=True, eq=False)
class SpreadRows:
    """Rows of one channel, or of a part of it.

    Attributes:
        hosts: that have them.
        channel: its role: training, validation or test.
        y: (n_samples,) of all hosts, in the hosts' order.
        weight: (n_samples,) or None.
        digests: of the channel, by host.
        starts: (n_hosts + 1,) where each host's rows of the channel begin; None where each
            host has all of them.
        positions: (n_samples,) in the channel's rows; None for all.
    """

    hosts: "ManyHosts"
    channel: str
    y: NDArray[Any]
    weight: NDArray[np.float64] | None
    digests: tuple[str, ...]
    starts: NDArray[np.int64] | None = None
    positions: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.y)

    @property
    def is_sharded(self) -> bool:
        return self.starts is not None

    def take(self, positions: NDArray[np.int64]) -> "SpreadRows":
        return replace(
            self,
            y=self.y[positions],
            weight=None if self.weight is None else self.weight[positions],
            positions=positions if self.positions is None else self.positions[positions],
        )

    def digest(self) -> str:
        if self.starts is None and self.positions is None:
            return self.digests[0]
        digest = hashlib.sha256("".join(self.digests).encode())
        if self.positions is not None:
            digest.update(self.positions.tobytes())
        return digest.hexdigest()

    def answers(self, forest: Forest) -> NDArray[Any]:
        """By each host to its own rows, or by the first to all where it has them."""
        if self.starts is None:
            return self.here().answers(forest)
        return self._gathered(answered, forest)

    def here(self) -> Rows:
        """The rows, which the first host has all.

        Raises:
            ValueError: if each host has a part.
        """
        if self.starts is not None:
            raise ValueError("each host has a part of the rows")
        return self.hosts.member.select(Selection(self.channel, self.positions))

    def shown(self) -> Rows:
        """All rows where this host has them, else some of all hosts'."""
        if self.starts is None:
            return self.here()
        if len(self) <= _MOST_SHOWN:
            return self.fetched()
        return self.take(np.linspace(0, len(self) - 1, _MOST_SHOWN).astype(np.int64)).fetched()

    def fetched(self) -> Rows:
        """All rows, brought to the first host."""
        if self.starts is None:
            return self.here()
        return Rows(self._gathered(looked_up), self.y, self.weight)

    def selections(self) -> list[Selection]:
        """Of each host, what it has of the rows, in their order."""
        if self.starts is None:
            return [Selection(self.channel, self.positions)] * len(self.digests)
        if self.positions is None:
            return [Selection(self.channel)] * len(self.digests)
        return [
            Selection(self.channel, self.positions[places] - start)
            for places, start in zip(self.rows_by_host(), self.starts[:-1], strict=True)
        ]

    def parts(self) -> list[tuple[Selection, int]]:
        """The rows dealt to the hosts, each row once, with the number of each host's rows."""
        selections = self.selections()
        if self.starts is not None:
            sizes = [len(places) for places in self.rows_by_host()]
            return list(zip(selections, sizes, strict=True))
        all_rows = np.arange(len(self)) if self.positions is None else self.positions
        # By turns, so that sorted rows are spread.
        dealt = [all_rows[host :: len(selections)] for host in range(len(selections))]
        return [(Selection(self.channel, rows), len(rows)) for rows in dealt]

    def rows_by_host(self) -> Sequence[NDArray[np.int64]]:
        """For each host, which of the rows it has."""
        rows = np.arange(len(self)) if self.positions is None else self.positions
        if self.starts is None:
            return [np.arange(len(self))] * len(self.digests)
        owner = np.searchsorted(self.starts, rows, side="right") - 1
        return [np.flatnonzero(owner == host) for host in range(len(self.starts) - 1)]

    def _gathered(self, function: Any, *arguments: Any) -> NDArray[Any]:
        """A matrix with a row for each row, of which each host makes those of its own."""
        places, selections = self.rows_by_host(), self.selections()
        wanted = [(selection, *arguments) for selection in selections]
        parts = self.hosts.each(function, wanted)
        gathered: NDArray[Any] = np.empty((len(self), parts[0].shape[1]), parts[0].dtype)
        for rows, part in zip(places, parts, strict=True):
            gathered[rows] = part
        return gathered


def answered(member: Member, selection: Selection, forest: Forest) -> NDArray[Any]:
    """A forest's answers to rows of this host."""
    return member.select(selection).answers(forest)


def looked_up(member: Member, selection: Selection) -> NDArray[Any]:
    """The matrix of rows of this host."""
    return member.select(selection).x
