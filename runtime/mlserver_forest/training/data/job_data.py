"""The channels of a job, read to the rows that estimators take."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlserver_forest.errors import count
from mlserver_forest.formats.note import Note
from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters
from mlserver_forest.training.config import (
    KNOWN_CHANNELS,
    TEST_CHANNEL,
    VALIDATION_CHANNEL,
    Channel,
    TrainingConfig,
)
from mlserver_forest.training.data.channels import Columns, explained_by, read_channel
from mlserver_forest.training.data.table import Summary, Table
from mlserver_forest.training.data.targets import Target, learn_target
from mlserver_forest.training.fitting.fit_rows import AnyRows, Rows
from mlserver_forest.training.validation.label_checks import require_suitable_labels


@dataclass(frozen=True, eq=False)
class Data:
    """The rows of all channels of a job.

    Attributes:
        table: of the training channel.
        target: the kind of its labels.
        training: its rows.
        validation: the rows of that channel, or None.
        test: the rows of that channel, or None.
        notes: how the data were taken where they may mean something else.
    """

    table: Table
    target: Target
    training: AnyRows
    validation: AnyRows | None
    test: AnyRows | None
    notes: tuple[Note, ...] = ()


def read_data(config: TrainingConfig, chosen: Hyperparameters) -> Data:
    """Read all channels.

    Raises:
        InvalidData: naming file and line, what came and what was expected.
        InvalidHyperparameters: if one does not suit the labels.
    """
    columns = columns_of(chosen)
    dtype = np.dtype(chosen.algorithm.dtype)
    notes = list(notes_of_channels(config))

    def read(channel: Channel, like: Table | None = None) -> Table:
        found = read_channel(channel, columns, dtype, like=like)
        notes.extend(notes_of_table(found.summary, channel.name))
        return found

    def rows_like(role: str) -> Rows | None:
        channel = config.channel(role)
        return None if channel is None else rows_of(read(channel, table), target)

    with explained_by(notes):
        table = read(config.training_channel())
        target = learn_target(table, chosen.job.task, chosen.own.implied_task)
        notes.extend(notes_of_target(table, target, config.training_channel().name))
        training = rows_of(table, target)
        validation = rows_like(VALIDATION_CHANNEL)
        require_suitable_labels(chosen, training.y, None if validation is None else validation.y)
        test = rows_like(TEST_CHANNEL)
    return Data(table, target, training, validation, test, tuple(notes))


def notes_of_channels(config: TrainingConfig) -> Iterator[Note]:
    """The note about channels that are not read."""
    if unknown := config.unknown_channels:
        listed, known = ", ".join(map(repr, unknown)), ", ".join(KNOWN_CHANNELS)
        yield Note(f"the channels {listed} are not read; the known ones are {known}")


def notes_of_table(summary: Summary, channel: str) -> Iterator[Note]:
    """The notes about a channel, and the one about rows without a target."""
    yield from summary.notes
    n_rows, setting = summary.n_without_target, "missing_target"
    if n_rows and not any(note.setting == setting for note in summary.notes):
        rows = count(n_rows, "row")
        text = f"left out {rows} of channel {channel!r} without a target (missing_target=drop)"
        yield Note(text, setting, channel=channel)


def notes_of_target(table: Table, target: Target, channel: str) -> Iterator[Note]:
    """The notes about the task, and about labels that look like mistakes."""
    layout = table.layout
    column = layout.columns[layout.roles.target] if layout.columns else ""
    if target.hint:
        text = f"the target ({layout.target_name}) is taken for a {target.kind}{target.hint}"
        yield Note(text, "task", column, channel=channel)
    for doubt in target.doubts:
        yield Note(doubt, "task", column, channel=channel, title="Labels")


def columns_of(chosen: Hyperparameters) -> Columns:
    """The hyperparameters that concern columns."""
    job = chosen.job
    return Columns(
        target=job.target,
        weight=job.weight,
        ignore=tuple(job.ignore),
        categories=tuple(job.categories),
        missing=frozenset(text for text in job.missing_values if not text.startswith("!")),
        kept=frozenset(text[1:] for text in job.missing_values if text.startswith("!")),
        mixed_columns=job.mixed_columns,
        header=job.header,
        delimiter=job.delimiter,
        decimal=job.decimal,
        encoding=job.encoding,
        skip_lines=job.skip_lines,
        sheet=job.sheet,
        refuse_unseen=job.unseen_categories == "error",
        absent_is_missing=chosen.algorithm.absent_is_missing,
        missing_target=job.missing_target,
        dates=job.dates,
        many_categories=job.many_categories,
        keep_na_labels=job.na_labels == "keep",
    )


def rows_of(table: Table, target: Target) -> Rows:
    """A table's rows with their labels as estimators take them.

    Raises:
        InvalidData: naming file and line of a label that does not fit.
    """
    return Rows(table.x, target.encode(table), table.weight)
