"""A channel's files or streams -> Table."""

from contextlib import closing
from typing import Any

import numpy as np

from mlserver_forest.errors import InvalidData
from mlserver_forest.training.config import Channel
from mlserver_forest.training.data.channel_format import format_of, reader
from mlserver_forest.training.data.folders import Folder
from mlserver_forest.training.data.layout import Columns
from mlserver_forest.training.data.pipes import Pipe
from mlserver_forest.training.data.row_blocks import Known
from mlserver_forest.training.data.table import Summary, Table
from mlserver_forest.training.data.table_builder import Gathering

_SHARDED = "ShardedByS3Key"

__all__ = ["Columns", "Table", "read_channel"]


def read_channel(
    channel: Channel,
    columns: Columns,
    dtype: np.dtype[Any],
    like: Table | None = None,
    known: Known | None = None,
) -> Table:
    """Read all files of a channel, in the order of their paths, or its stream.

    Where rows late in the data tell more about a column than those before, as where a word
    stands in a column that looked like numbers, all is read again; in Pipe mode from the
    next FIFO.

    Args:
        channel: where the data are, and what they are.
        columns: what the hyperparameters say about the columns.
        dtype: of the matrix, float32 or float64.
        like: the training channel's table, whose columns and words this channel has to
            have; None for the training channel itself.
        known: what other machines, each with a part of it, know of the training channel.

    Returns:
        The rows; none if the channel is sharded and this machine's shard is empty.

    Raises:
        InvalidData: naming file and line, what came and what was expected.
    """
    folder = None if channel.mode == "Pipe" else Folder(channel)
    if folder is not None and not folder.paths:
        return _empty(channel, columns, dtype, like)
    form, parameters = format_of(channel, folder.paths if folder else (), columns)
    source = folder or Pipe(channel, splits=form.splits)
    known = known or _known(dtype, like)
    while True:
        gathering = Gathering(known, columns, like)
        with closing(reader(form)(source.parts(), known, columns, parameters)) as blocks:
            for block in blocks:
                gathering.append(block)
        if not gathering.is_void:
            break
    table = gathering.finish(Summary(source.names, source.n_bytes, {}))
    if not len(table) and channel.distribution != _SHARDED:
        raise _no_row(channel, source.names[0], known)
    return table


def _no_row(channel: Channel, name: str, known: Known) -> InvalidData:
    if known.is_empty:
        return InvalidData(f"channel {channel.name!r} is empty: {name} holds no data")
    return InvalidData(f"{name} has a header and no row; add rows of label,value,...")


def _known(dtype: np.dtype[Any], like: Table | None) -> Known:
    if like is None:
        return Known(np.dtype(dtype))
    words = {feature for feature, name in enumerate(like.names) if name in like.categories}
    return Known(np.dtype(dtype), like.layout, words, are_fixed=True, index_base=like.index_base)


def _empty(channel: Channel, columns: Columns, dtype: np.dtype[Any], like: Table | None) -> Table:
    """The table of a machine that got no object of a sharded channel."""
    if channel.distribution != _SHARDED:
        state = "holds no data file" if channel.directory.exists() else "does not exist"
        raise InvalidData(f"channel {channel.name!r} is empty: {channel.directory} {state}")
    return Gathering(_known(dtype, like), columns, like).finish(Summary((), 0, {}))
