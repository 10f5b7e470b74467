"""Hosts that boost together stop together."""

from collections.abc import Callable, Mapping
from typing import Any

from distributed import get_client

from mlserver_forest.training.cluster.member import Member, member_of, this_member
from mlserver_forest.training.fitting.boosting import Rounds
from mlserver_forest.training.fitting.progress import Progress


class Pace:
    """Called after each round on each host; one of them decides for all.

    No host ends a round before all have: the one that decides, in its call after a round, tells
    all that the next round is the last, and goes on when they know.

    Args:
        decider: the host that decides, tells how far boosting is and keeps checkpoints.
        workers: the addresses of all that boost.
        n_steps: the rounds.
        kept_as: the fingerprint of the checkpoints, or None for no checkpoints.
    """

    def __init__(self, decider: str, workers: list[str], n_steps: int, kept_as: str | None) -> None:
        self._decider = decider
        self._workers = workers
        self._n_steps = n_steps
        self._kept_as = kept_as
        # What does not travel.
        self._member: Member | None = None
        self._rounds: Rounds | None = None

    @property
    def member(self) -> Member:
        """Of the host on which this is called."""
        if self._member is None:
            self._member = this_member()
        return self._member

    @property
    def decides(self) -> bool:
        """Whether this host decides."""
        return self.member.here.config.host == self._decider

    def is_enough(
        self,
        n_rounds: int,
        metrics: Mapping[str, float],
        booster: Callable[[], bytes],
        *,
        is_best: bool = False,
    ) -> bool:
        """Whether all hosts stop after this round.

        Args:
            n_rounds: that are done, with those of a checkpoint.
            metrics: of the validation rows, on the host that decides.
            booster: what is kept as a checkpoint.
            is_best: whether more rounds would not make it better.
        """
        member = self.member
        if self.decides:
            is_asked = self._told().is_enough(n_rounds, metrics, booster)
            member.curve = self._told().curve
            if (is_asked or is_best) and member.last_round is None:
                client = get_client()
                client.run(end_after, n_rounds + 1, workers=self._workers)
        return member.last_round is not None and n_rounds >= member.last_round

    def _told(self) -> Rounds:
        if self._rounds is None:
            here = self.member.here
            progress = Progress("rounds", self._n_steps, here.say)
            self._rounds = Rounds(progress, here.stop, here.checkpoints(self._kept_as))
        return self._rounds


def end_after(n_rounds: int, dask_worker: Any) -> None:
    """Let a host know its last round."""
    member_of(dask_worker).last_round = n_rounds


def begin(member: Member) -> None:
    """Forget what was decided when this host boosted before."""
    member.last_round, member.best_round, member.curve = None, None, []
