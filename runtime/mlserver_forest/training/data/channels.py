"""The files or streams of a channel, read to a Table."""

from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from typing import Any

import numpy as np

from mlserver_forest.errors import InvalidData, JobError
from mlserver_forest.formats.note import Note
from mlserver_forest.training.config import Channel
from mlserver_forest.training.data.channel_format import format_of, reader
from mlserver_forest.training.data.folders import Folder
from mlserver_forest.training.data.layout import Columns
from mlserver_forest.training.data.pipes import Pipe
from mlserver_forest.training.data.row_blocks import KnownColumns
from mlserver_forest.training.data.table import Summary, Table
from mlserver_forest.training.data.table_builder import TableBuilder

_SHARDED = "ShardedByS3Key"

__all__ = ["Columns", "Table", "read_channel"]


def read_channel(
    channel: Channel,
    columns: Columns,
    dtype: np.dtype[Any],
    like: Table | None = None,
    known: KnownColumns | None = None,
) -> Table:
    """Read all files of a channel, in the order of their paths, or its stream.

    If a late row shows that a column has to be read otherwise, as a text in a column that looked
    like numbers does, the whole channel is read again; in Pipe mode from the next FIFO.

    Args:
        channel: where the data are, and what they are.
        columns: what the hyperparameters say about the columns.
        dtype: of the numbers that the algorithm reads, float32 or float64. The matrix is float64 if
            a column needs it whose values do not fit float32.
        like: the table of the training channel, whose columns and categories this channel has
            to have; None for the training channel itself.
        known: what other hosts, each with its own part, know of the training channel.

    Returns:
        The rows; there are none if the channel is sharded and this host's shard is empty.

    Raises:
        InvalidData: naming file and line, what came and what was expected.
    """
    known = known or _known(columns, dtype, like)
    known.channel = channel.name
    with explained_by(known.notes.values()):
        return _read(channel, columns, like, known)


def column_names(channel: Channel) -> tuple[str, ...] | None:
    """The names of the columns of a channel in files, if it has any; its first rows are read.

    Raises:
        InvalidData: if they cannot be read.
    """
    known = _known(Columns(), np.dtype(np.float64), None)
    folder = Folder(channel, known.note)
    form, parameters = format_of(channel, folder.paths, Columns(), known.note)
    # Closed by hand, innermost last: an error would keep a file open for as long as it lives.
    with (
        closing(folder.parts()) as parts,
        closing(reader(form)(parts, known, Columns(), parameters)) as blocks,
    ):
        next(blocks, None)
    return known.layout.columns


def _read(channel: Channel, columns: Columns, like: Table | None, known: KnownColumns) -> Table:
    folder = None if channel.mode == "Pipe" else Folder(channel, known.note, columns.sheet)
    if folder is not None and not folder.paths:
        return _empty(channel, columns, like, known)
    paths = folder.paths if folder else ()
    form, parameters = format_of(channel, paths, columns, known.note)
    source = folder or Pipe(channel, splits=form.splits)
    while True:
        builder = TableBuilder(known, columns, like)
        with (
            closing(source.parts()) as parts,
            closing(reader(form)(parts, known, columns, parameters)) as blocks,
        ):
            for block in blocks:
                builder.append(block)
        if not builder.needs_another_pass:
            break
    table = builder.finish(Summary(source.names, source.n_bytes, {}))
    if not len(table) and channel.distribution != _SHARDED:
        raise _no_row(channel, source.names[0], known)
    return table


@contextmanager
def explained_by(notes: Collection[Note]) -> Iterator[None]:
    """Give an error of a job the notes about the data that were read before it."""
    try:
        yield
    except JobError as error:
        error.notes = (*(note.line for note in notes), *error.notes)
        raise


def _no_row(channel: Channel, name: str, known: KnownColumns) -> InvalidData:
    if known.is_empty:
        return InvalidData(f"channel {channel.name!r} is empty: {name} holds no data")
    return InvalidData(f"{name} has a header and no row; add rows of label,value,...")


def _known(columns: Columns, dtype: np.dtype[Any], like: Table | None) -> KnownColumns:
    if like is None:
        needs_more = columns.many_categories == "target" or columns.dates == "expand"
        return KnownColumns(np.dtype(np.float64) if needs_more else dtype, dtype)
    features, spellings = list(enumerate(like.names)), like.spellings_with(columns.missing)
    return KnownColumns(
        like.x.dtype,
        dtype,
        like.layout,
        {feature for feature, name in features if name in like.categories},
        are_fixed=True,
        index_base=like.index_base,
        mixed=frozenset(
            feature
            for feature, name in features
            if name in like.categories and like.categories[name].has_numbers
        ),
        spellings={feature: spellings[name] for feature, name in features if name in spellings},
    )


def _empty(channel: Channel, columns: Columns, like: Table | None, known: KnownColumns) -> Table:
    """The table of a host that got no object of a sharded channel."""
    if channel.distribution != _SHARDED:
        state = "holds no data file" if channel.directory.exists() else "does not exist"
        raise InvalidData(f"channel {channel.name!r} is empty: {channel.directory} {state}")
    return TableBuilder(known, columns, like).finish(Summary((), 0, {}))
