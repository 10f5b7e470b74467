"""Rows without a target, which are left out, or are an error."""

from typing import Literal

import numpy as np

from mlserver_forest.errors import format_value
from mlserver_forest.formats.field_values import distinct
from mlserver_forest.formats.note import Note
from mlserver_forest.training.data.label_column import LabelColumn
from mlserver_forest.training.data.problem import Problem
from mlserver_forest.training.data.row_blocks import Block
from mlserver_forest.training.data.table import TargetLabels

_SETTING = "missing_target"
# A larger share may mean that another column is the target, or that files lack it.
_SMALL_SHARE = 0.1
# Texts for missing values that are names of classes too: North America, and no illness.
_MAY_BE_CLASSES = frozenset({"NA", "None"})


class MissingTargets:
    """The rows of a channel whose target is missing.

    Args:
        mode: what to do about them; "auto" leaves out a small share of the rows.

    Attributes:
        count: how many rows there are.
        first: the location of the first of them.
    """

    def __init__(self, mode: Literal["auto", "error", "drop"]) -> None:
        self.count = 0
        self._mode = mode
        self._n_rows = 0
        self.first = ""
        self._class = ""

    def without(self, block: Block, labels: LabelColumn) -> Block:
        """The rows of a block that have a target."""
        self._n_rows += len(block.labels)
        are_missing = labels.are_missing(block.labels)
        if not are_missing.any():
            return block
        rows = np.flatnonzero(are_missing)
        if not self.count:
            self.first = block.where.at(int(rows[0]))
        self.count += len(rows)
        if not self._class and not isinstance(block.labels, np.ndarray):
            texts, _ = distinct(block.take(rows).labels)
            found = _MAY_BE_CLASSES.intersection(text.strip() for text in texts)
            self._class = min(found, default="")
        if self._mode == "error":  # Faults in the other columns are told too.
            return block
        return block.take(np.flatnonzero(~are_missing))

    def problem(self, labels: TargetLabels, name: str) -> Problem | None:
        """What the owner has to decide, or None.

        Args:
            labels: of the other rows.
            name: of the target's column.
        """
        may_be_class = bool(self._class) and labels.numbers is None
        is_small = self.count <= _SMALL_SHARE * self._n_rows and not may_be_class
        if not self.count or self._mode == "drop" or (self._mode == "auto" and is_small):
            return None
        keep = f", or na_labels=keep if {format_value(self._class)} is a class"
        return Problem(
            f"{self.first}: the label ({name}) is missing, as in {self.count} of "
            f"{self._n_rows} rows; fill it, or set missing_target=drop to leave out such rows"
            f"{keep * may_be_class}",
            "na_labels" if may_be_class else _SETTING,
            ("keep" if may_be_class else "drop",),
        )

    def note(self, name: str) -> Note | None:
        """What was left out by default, or None."""
        if not self.count or self._mode != "auto":
            return None
        text = (
            f"{self.count} of {self._n_rows} rows are left out, from {self.first} on, because "
            f"they have no target ({name}); fill it, or set missing_target=drop to confirm it"
        )
        return Note(text, _SETTING, title="Missing targets")
