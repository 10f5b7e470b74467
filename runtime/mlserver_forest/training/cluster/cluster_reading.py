"""Reading on all hosts: where each has a part, what is learned is the union."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData
from mlserver_forest.training.algorithms.estimators import DTYPES
from mlserver_forest.training.cluster.member import Member
from mlserver_forest.training.cluster.spread_rows import SpreadRows
from mlserver_forest.training.cluster.table_merge import Heads, head_of, recoded
from mlserver_forest.training.config import TEST_CHANNEL, VALIDATION_CHANNEL, Channel
from mlserver_forest.training.data.channels import read_channel
from mlserver_forest.training.data.job_data import Data, columns_of, rows_of
from mlserver_forest.training.data.row_blocks import KnownColumns
from mlserver_forest.training.data.table import Table
from mlserver_forest.training.data.targets import Target, learn_target
from mlserver_forest.training.validation.label_checks import require_suitable_labels

if TYPE_CHECKING:
    from mlserver_forest.training.cluster.many_hosts import ManyHosts

_TRAINING = "training"


@dataclass(frozen=True, eq=False)
class Kept:
    """What the first host learns of rows that a host keeps.

    Attributes:
        digest: of the rows.
        y: (n_samples,); None where the first host has the same rows.
        weight: (n_samples,), or None.
    """

    digest: str
    y: NDArray[Any] | None = None
    weight: NDArray[np.float64] | None = None


def read(hosts: "ManyHosts") -> Data:
    """Read all channels on all hosts.

    Raises:
        InvalidData: naming host, file and line, what came and what was expected.
        InvalidHyperparameters: if one does not suit the data.
    """
    table, target = _learned(hosts)
    like = head_of(table, with_labels=False)
    kept = hosts.everywhere(settle, like, target)
    found = {role: _spread(hosts, role, [host[role] for host in kept]) for role in kept[0]}
    training = found[_TRAINING]
    require_suitable_labels(hosts.here.chosen, training.y)
    return Data(table, target, training, found.get(VALIDATION_CHANNEL), found.get(TEST_CHANNEL))


def _learned(hosts: "ManyHosts") -> tuple[Table, Target]:
    """What the training channel holds, and what is to be predicted."""
    task = hosts.here.chosen.job.task
    if not hosts.here.config.training_channel().is_sharded:
        hosts.everywhere(look, None)
        own = hosts.member.table_read()
        return own, learn_target(own, task)
    heads = Heads(hosts.names, hosts.everywhere(look, None))
    while any(wanted := heads.to_be_looked_at_again()):
        again = [None if known is None else (known,) for known in wanted]
        heads = heads.replaced(hosts.each(look, again))
    table = heads.merged()
    return table, learn_target(table, task)


def _spread(hosts: "ManyHosts", role: str, kept: list[Kept]) -> SpreadRows:
    """The rows of one channel on all hosts."""
    digests = tuple(part.digest for part in kept)
    parts = [part.y for part in kept if part.y is not None]
    if len(parts) == len(kept):
        starts = np.cumsum([0, *map(len, parts)])
        weights = [part.weight for part in kept if part.weight is not None]
        weight = np.concatenate(weights) if weights else None
        return SpreadRows(hosts, role, np.concatenate(parts), weight, digests, starts)
    for name, digest in zip(hosts.names, digests, strict=True):
        if digest != digests[0]:
            raise InvalidData(
                f"the {role} channel is FullyReplicated, but host {name!r} read other rows, or in "
                f"another order, than host {hosts.names[0]!r}; give all hosts the same files, and "
                "no ShuffleConfig"
            )
    rows = hosts.member.rows[role]
    return SpreadRows(hosts, role, rows.y, rows.weight, digests)


def look(member: Member, known: KnownColumns | None) -> Table | None:
    """Read the training channel.

    Args:
        member: of this host.
        known: what other hosts know of the columns.

    Returns:
        What was found apart from the rows, where each host has a part of them.
    """
    here = member.here
    channel = here.config.training_channel()
    member.table = None  # Before another one takes its room.
    dtype = np.dtype(DTYPES[here.chosen.job.algorithm])
    member.table = read_channel(channel, columns_of(here.chosen), dtype, known=known)
    return head_of(member.table) if channel.is_sharded else None


def settle(member: Member, like: Table, target: Target) -> Mapping[str, Kept]:
    """Make rows of what was read, and read the other channels, as all hosts know them.

    Args:
        member: of this host.
        like: the training table of all hosts, without its rows.
        target: of all hosts.

    Returns:
        By role, what the first host learns of the rows.
    """
    here, config = member.here, member.here.config
    table, member.table = member.table_read(), None
    channels: dict[str, Channel | None] = {_TRAINING: config.training_channel()}
    channels |= {role: config.channel(role) for role in (VALIDATION_CHANNEL, TEST_CHANNEL)}
    member.rows[_TRAINING] = rows_of(recoded(table, like), target)
    for role, channel in channels.items():
        if channel is not None and role != _TRAINING:
            found = read_channel(channel, columns_of(here.chosen), table.x.dtype, like=like)
            member.rows[role] = rows_of(found, target)
    return {
        role: _kept(member, role, is_sharded=channel.is_sharded)
        for role, channel in channels.items()
        if channel is not None
    }


def _kept(member: Member, role: str, *, is_sharded: bool) -> Kept:
    rows = member.rows[role]
    return Kept(rows.digest(), rows.y, rows.weight) if is_sharded else Kept(rows.digest())
