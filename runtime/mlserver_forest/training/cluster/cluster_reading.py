"""Reading the channels on all hosts; if each has a part, the table is the union of the parts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData
from mlserver_forest.training.cluster.job_cluster import JobCluster
from mlserver_forest.training.cluster.member import Member
from mlserver_forest.training.cluster.spread_rows import SpreadRows
from mlserver_forest.training.cluster.table_merge import (
    TableMerge,
    recoded,
    united_notes,
    without_rows,
)
from mlserver_forest.training.config import TEST_CHANNEL, VALIDATION_CHANNEL, Channel
from mlserver_forest.training.data.channels import read_channel
from mlserver_forest.training.data.job_data import (
    Data,
    columns_of,
    notes_of_channels,
    notes_of_table,
    notes_of_target,
    rows_of,
)
from mlserver_forest.training.data.row_blocks import KnownColumns
from mlserver_forest.training.data.table import Summary, Table
from mlserver_forest.training.data.targets import Target, learn_target
from mlserver_forest.training.fitting.fit_rows import Rows
from mlserver_forest.training.validation.label_checks import require_suitable_labels

_TRAINING = "training"


@dataclass(frozen=True, eq=False)
class HostRows:
    """A host's description of its rows, for the first host.

    Attributes:
        digest: the digest of the rows.
        summary: of the host's files, without columns.
        y: (n_samples,) the targets; None if the first host has the same rows.
        weight: (n_samples,) the weights, or None.
    """

    digest: str
    summary: Summary
    y: NDArray[Any] | None = None
    weight: NDArray[np.float64] | None = None


def read_on_cluster(cluster: JobCluster) -> Data:
    """Read all channels on all hosts.

    Raises:
        InvalidData: naming host, file and line, what came and what was expected.
        InvalidHyperparameters: if a hyperparameter does not suit the data.
    """
    config = cluster.here.config
    table, target = _merged_table(cluster)
    like = without_rows(table, with_labels=False)
    parts = cluster.everywhere(_encode_rows, like, target)
    found = {role: _spread(cluster, role, [host[role] for host in parts]) for role in parts[0]}
    training, validation = found[_TRAINING], found.get(VALIDATION_CHANNEL)
    watched = None if validation is None else validation.y
    require_suitable_labels(cluster.here.chosen, training.y, watched)
    channel = config.training_channel().name
    notes = [*notes_of_channels(config), *notes_of_table(table.summary, channel)]
    notes.extend(notes_of_target(table, target, channel))
    for role, rows in found.items():
        if role != _TRAINING:
            summary = _summary([host[role].summary for host in parts], rows)
            notes.extend(notes_of_table(summary, role))
    return Data(table, target, training, validation, found.get(TEST_CHANNEL), tuple(notes))


def _summary(parts: list[Summary], rows: SpreadRows) -> Summary:
    """What the hosts say about a channel: each about its part, or all about the same rows."""
    if not rows.is_sharded:
        return parts[0]
    n_without_target = sum(part.n_without_target for part in parts)
    return replace(parts[0], notes=united_notes(parts), n_without_target=n_without_target)


def _merged_table(cluster: JobCluster) -> tuple[Table, Target]:
    """The training table of all hosts, and the target."""
    chosen = cluster.here.chosen
    task, implied = chosen.job.task, chosen.own.implied_task
    if not cluster.here.config.training_channel().is_sharded:
        cluster.everywhere(_read_training, None)
        own = cluster.member.table_read()
        return own, learn_target(own, task, implied)
    merge = TableMerge(cluster.names, cluster.everywhere(_read_training, None), columns_of(chosen))
    while any(wanted := merge.to_read_again()):
        again = [None if known is None else (known,) for known in wanted]
        merge = merge.replaced(cluster.each(_read_training, again))
    table = merge.merged()
    return table, learn_target(table, task, implied)


def _spread(cluster: JobCluster, role: str, parts: list[HostRows]) -> SpreadRows:
    """The rows of one channel on all hosts."""
    digests = tuple(part.digest for part in parts)
    targets = [part.y for part in parts if part.y is not None]
    if len(targets) == len(parts):
        starts = np.cumsum([0, *map(len, targets)])
        weights = [part.weight for part in parts if part.weight is not None]
        weight = np.concatenate(weights) if weights else None
        return SpreadRows(cluster, role, np.concatenate(targets), weight, digests, starts)
    for name, digest in zip(cluster.names, digests, strict=True):
        if digest != digests[0]:
            raise InvalidData(
                f"the {role} channel is FullyReplicated, but host {name!r} did not read the "
                f"same rows in the same order as host {cluster.names[0]!r}; give all hosts the "
                "same files, and no ShuffleConfig"
            )
    rows = cluster.member.rows[role]
    return SpreadRows(cluster, role, rows.y, rows.weight, digests)


def _read_training(member: Member, known: KnownColumns | None) -> Table | None:
    """Read the training channel on this host.

    Args:
        member: this host.
        known: what other hosts know about the columns, or None.

    Returns:
        The table without its rows; None if all hosts have the same rows.
    """
    here = member.here
    channel = here.config.training_channel()
    member.table = None  # Its memory must be free before another table is read.
    dtype = np.dtype(here.chosen.algorithm.dtype)
    member.table = read_channel(channel, columns_of(here.chosen), dtype, known=known)
    return without_rows(member.table) if channel.is_sharded else None


def _encode_rows(member: Member, like: Table, target: Target) -> Mapping[str, HostRows]:
    """Encode the training rows like all other hosts, and read the other channels.

    Args:
        member: this host.
        like: the training table of all hosts, without its rows.
        target: the target of all hosts.

    Returns:
        The description of this host's rows, by the role of the channel.
    """
    here, config = member.here, member.here.config
    table, member.table = member.table_read(), None
    dtype = np.dtype(here.chosen.algorithm.dtype)
    channels: dict[str, Channel | None] = {_TRAINING: config.training_channel()}
    channels |= {role: config.channel(role) for role in (VALIDATION_CHANNEL, TEST_CHANNEL)}
    member.rows[_TRAINING] = rows_of(recoded(table, like), target)
    summaries = {_TRAINING: table.summary}
    for role, channel in channels.items():
        if channel is not None and role != _TRAINING:
            found = read_channel(channel, columns_of(here.chosen), dtype, like=like)
            member.rows[role] = rows_of(found, target)
            summaries[role] = found.summary
    return {
        role: _host_rows(member.rows[role], summaries[role], is_sharded=channel.is_sharded)
        for role, channel in channels.items()
        if channel is not None
    }


def _host_rows(rows: Rows, summary: Summary, *, is_sharded: bool) -> HostRows:
    summary = replace(summary, columns={})
    if not is_sharded:
        return HostRows(rows.digest(), summary)
    return HostRows(rows.digest(), summary, rows.y, rows.weight)
