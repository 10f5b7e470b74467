"""The channels of a job, read to the rows that estimators take."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters
from mlserver_forest.training.config import (
    TEST_CHANNEL,
    TRAINING_CHANNELS,
    VALIDATION_CHANNEL,
    Channel,
    TrainingConfig,
)
from mlserver_forest.training.data.channels import Columns, read_channel
from mlserver_forest.training.data.table import Table
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
        n_without_target: by channel, the rows that were left out because they have no target.
    """

    table: Table
    target: Target
    training: AnyRows
    validation: AnyRows | None
    test: AnyRows | None
    n_without_target: Mapping[str, int] = field(default_factory=dict)


def read_data(config: TrainingConfig, chosen: Hyperparameters) -> Data:
    """Read all channels.

    Raises:
        InvalidData: naming file and line, what came and what was expected.
        InvalidHyperparameters: if one does not suit the labels.
    """
    columns = columns_of(chosen)
    dtype = np.dtype(chosen.algorithm.dtype)
    table = read_channel(config.training_channel(), columns, dtype)
    target = learn_target(table, chosen.job.task, chosen.own.implied_task)

    left_out = {TRAINING_CHANNELS[0]: table.summary.n_without_target}

    def rows_like(channel: Channel | None) -> Rows | None:
        if channel is None:
            return None
        found = read_channel(channel, columns, dtype, like=table)
        left_out[channel.name] = found.summary.n_without_target
        return rows_of(found, target)

    training = rows_of(table, target)
    validation = rows_like(config.channel(VALIDATION_CHANNEL))
    require_suitable_labels(chosen, training.y, None if validation is None else validation.y)
    test = rows_like(config.channel(TEST_CHANNEL))
    return Data(table, target, training, validation, test, left_out)


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
        refuse_unseen=job.unseen_categories == "error",
        absent_is_missing=chosen.algorithm.absent_is_missing,
        missing_target=job.missing_target,
        dates=job.dates,
        keep_na_labels=job.na_labels == "keep",
    )


def rows_of(table: Table, target: Target) -> Rows:
    """A table's rows with their labels as estimators take them.

    Raises:
        InvalidData: naming file and line of a label that does not fit.
    """
    return Rows(table.x, target.encode(table), table.weight)
