"""Rows on several hosts, each of which has a part of them or all of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.training.cluster.job_cluster import JobCluster
from mlserver_forest.training.cluster.member import Member, Selection
from mlserver_forest.training.fitting.fit_rows import Rows

# The report samples this many rows, and the self-test needs fewer.
_MOST_SHOWN = 20_000


@dataclass(frozen=True, eq=False)
class SpreadRows:
    """The rows of one channel, or some of them.

    Attributes:
        cluster: the hosts that have the rows.
        channel: the role of the channel: "training", "validation" or "test".
        y: (n_samples,) the targets of all hosts, in the hosts' order.
        weight: (n_samples,) the weights, or None.
        digests: the digest of each host's rows of the channel.
        starts: (n_hosts + 1,) where each host's rows of the channel begin; None if each host has
            all of them.
        positions: (n_samples,) positions in the channel's rows; None for all.
    """

    cluster: JobCluster
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
        """Whether each host has only a part of the rows."""
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

    def answers(self, forest: Predictor) -> NDArray[Any]:
        """(n_samples, n_outputs) predictions, each computed on the host that has the row."""
        if self.starts is None:
            return self.here().answers(forest)
        return self._gathered(_answered, forest)

    def here(self) -> Rows:
        """All rows, which this host must have.

        Raises:
            ValueError: if each host has only a part.
        """
        if self.starts is not None:
            raise ValueError("each host has a part of the rows")
        return self.cluster.member.select(Selection(self.channel, self.positions))

    def sample(self) -> Rows:
        """All rows if this host has them, otherwise a sample of all hosts' rows."""
        if self.starts is None:
            return self.here()
        if len(self) <= _MOST_SHOWN:
            return self.fetched()
        return self.take(np.linspace(0, len(self) - 1, _MOST_SHOWN).astype(np.int64)).fetched()

    def fetched(self) -> Rows:
        """All rows, brought to this host."""
        if self.starts is None:
            return self.here()
        return Rows(self._gathered(_matrix_of), self.y, self.weight)

    def selections(self) -> list[Selection]:
        """Each host's part of the rows, in their order."""
        if self.starts is None:
            return [Selection(self.channel, self.positions)] * len(self.digests)
        if self.positions is None:
            return [Selection(self.channel)] * len(self.digests)
        return [
            Selection(self.channel, self.positions[places] - start)
            for places, start in zip(self.rows_by_host(), self.starts[:-1], strict=True)
        ]

    def parts(self) -> list[tuple[Selection, int]]:
        """The rows that each host contributes, every row once: a selection and its size."""
        selections = self.selections()
        if self.starts is not None:
            sizes = [len(places) for places in self.rows_by_host()]
            return list(zip(selections, sizes, strict=True))
        all_rows = np.arange(len(self)) if self.positions is None else self.positions
        # Hosts take turns, so that sorted rows are spread over all of them.
        dealt = [all_rows[host :: len(selections)] for host in range(len(selections))]
        return [(Selection(self.channel, rows), len(rows)) for rows in dealt]

    def rows_by_host(self) -> Sequence[NDArray[np.int64]]:
        """For each host the positions of its rows among these rows."""
        rows = np.arange(len(self)) if self.positions is None else self.positions
        if self.starts is None:
            return [np.arange(len(self))] * len(self.digests)
        owner = np.searchsorted(self.starts, rows, side="right") - 1
        return [np.flatnonzero(owner == host) for host in range(len(self.starts) - 1)]

    def _gathered(self, function: Any, *arguments: Any) -> NDArray[Any]:
        """A matrix with one row for each of these rows; each host computes its own part."""
        places, selections = self.rows_by_host(), self.selections()
        wanted = [(selection, *arguments) for selection in selections]
        parts = self.cluster.each(function, wanted)
        gathered: NDArray[Any] = np.empty((len(self), parts[0].shape[1]), parts[0].dtype)
        for rows, part in zip(places, parts, strict=True):
            gathered[rows] = part
        return gathered


def _answered(member: Member, selection: Selection, forest: Predictor) -> NDArray[Any]:
    """A forest's predictions for rows on this host."""
    return member.select(selection).answers(forest)


def _matrix_of(member: Member, selection: Selection) -> NDArray[Any]:
    """(n_samples, n_features) rows on this host."""
    return member.select(selection).x
