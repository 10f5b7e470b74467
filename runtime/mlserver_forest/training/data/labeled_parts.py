"""Parts of a channel whose rows have a separate label -> blocks of the matrix."""

from collections.abc import Generator, Iterator, Mapping

import numpy as np

from mlserver_forest.errors import InvalidData, count, format_value
from mlserver_forest.formats.files.parts import Part
from mlserver_forest.formats.labeled_rows import Entries, FeaturePlan, LabeledRows, ParseLabeled
from mlserver_forest.formats.note import Note
from mlserver_forest.formats.parsing import TRAINING
from mlserver_forest.formats.source import Source
from mlserver_forest.training.data.layout import Columns, nameless
from mlserver_forest.training.data.row_blocks import Block, KnownColumns, without_infinite

_MOST_FEATURES = 2**24
# 2 GB of float32 for a megabyte of text: no dense matrix can hold that.
_MOST_BLOCK_VALUES = 2**29


def read(
    parse: ParseLabeled,
    parts: Iterator[Part],
    known: KnownColumns,
    columns: Columns,
    parameters: Mapping[str, str],
) -> Generator[Block]:
    """Read the parts of a channel.

    Args:
        parse: of the channel's format.
        parts: one after the other.
        known: the number of features and the index of the first one, which are learned from the
            rows unless another table fixed them.
        columns: whether a value that a row leaves out is missing, or else 0.
        parameters: of the content type; ``index_base`` is the one that counts.

    Raises:
        InvalidData: naming the file and the row, what came and what was expected.
    """
    declared = parameters.get("index_base")
    if declared is not None and not known.are_fixed:
        known.index_base = int(declared)
    learns_base = declared is None and not known.are_fixed
    plan = FeaturePlan(
        known.layout.names if known.are_fixed else (),
        len(known.layout.names) if known.are_fixed else _MOST_FEATURES,
        None if learns_base else known.index_base,
        needs_label=True,
        subject="the training data have",
    )
    absent = np.nan if columns.absent_is_missing else 0.0
    for part in parts:
        if part.partition:
            listed = ", ".join(map(format_value, part.partition))
            text = (
                f"the names of its folders give the columns {listed}, which are not read: rows of "
                "this format have no names; write CSV or Parquet if they are features"
            )
            known.note(Note(text, place=part.name, title="Partition folders"))
        with part.inflated() as stream:
            for rows in parse(Source(part.name, stream), plan, TRAINING, parameters):
                if rows.weights is not None:
                    known.has_weights = True
                    text = "lines begin with label:weight, which weights the rows"
                    known.note(Note(text, place=part.name))
                yield _block(rows, known, absent, learns_base=learns_base)


def _block(rows: LabeledRows, known: KnownColumns, absent: float, *, learns_base: bool) -> Block:
    width, values = rows.width, rows.values
    if isinstance(values, Entries):
        if learns_base and rows.counts_indices:
            width -= _learn_base(values, known)
        width = _widened(width, rows, known)
        if width * values.n_rows > _MOST_BLOCK_VALUES:
            raise InvalidData(
                f"{rows.locations.at(0)} and the {values.n_rows - 1} rows after it have {width} "
                "features, too many for a dense matrix; leave out features that hardly any row has"
            )
        values = values.dense(0, values.n_rows, width, absent)
    else:
        _check_dense_width(width, rows, known)
    weight = np.ones(len(values)) if rows.weights is None and known.has_weights else rows.weights
    with np.errstate(over="ignore", invalid="ignore"):
        x = np.ascontiguousarray(values, known.dtype)
    x, problems = without_infinite(x, rows.locations, values, known, range(x.shape[1]))
    return Block(rows.locations, x, {}, rows.labels, weight, problems=problems)


def _learn_base(entries: Entries, known: KnownColumns) -> int:
    """Take the first index to be 0 if an index 0 occurs, else 1; count the entries from it."""
    smallest = int(entries.columns.min(initial=1))
    if known.index_base == 1 and smallest == 0 and not known.is_empty:
        # The features of the rows before are counted anew: a wider table makes another pass.
        known.layout = nameless(len(known.layout.names) + 1)
    if known.index_base is None or smallest == 0:
        known.index_base = min(smallest, 1)
    entries.columns[:] -= known.index_base
    return known.index_base


def _widened(width: int, rows: LabeledRows, known: KnownColumns) -> int:
    """The number of features, after these rows."""
    n_known = len(known.layout.names)
    if width > n_known and known.are_fixed:
        raise InvalidData(
            f"{rows.locations.at(0)} or a row after it has {count(width, 'feature')}; the "
            f"training data have {n_known}"
        )
    if width > n_known or known.is_empty:
        known.layout = nameless(max(width, 1))
    return max(width, n_known, 1)


def _check_dense_width(width: int, rows: LabeledRows, known: KnownColumns) -> None:
    if known.is_empty:
        known.layout = nameless(width)
    if width != len(known.layout.names):
        raise InvalidData(
            f"{rows.locations.at(0)} has {count(width, 'value')}; the rows before have "
            f"{len(known.layout.names)}"
        )
