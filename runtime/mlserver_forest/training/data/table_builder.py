"""Blocks of rows, collected in a Table."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.field_values import parse_number, text_at
from mlserver_forest.formats.row_array import RowArray
from mlserver_forest.formats.row_locations import TableLocations
from mlserver_forest.schema.categories import Categories
from mlserver_forest.training.data.label_column import LabelColumn
from mlserver_forest.training.data.layout import Columns, Layout
from mlserver_forest.training.data.learned_categories import (
    FixedCategories,
    LearnedCategories,
    first_category,
)
from mlserver_forest.training.data.row_blocks import Block, KnownColumns
from mlserver_forest.training.data.table import MOST_CATEGORIES, ColumnSummary, Kind, Summary, Table

_BLOCK_ROWS = 2**16


class TableBuilder:
    """One pass over a channel.

    Args:
        known: the columns as far as they are known; the rows add to it.
        columns: what the hyperparameters say about them.
        like: the training table, if this is another channel.

    Attributes:
        needs_another_pass: whether a row showed something that changes how rows before it have
            to be read. The rest of this pass only looks for more of that.
    """

    def __init__(self, known: KnownColumns, columns: Columns, like: Table | None) -> None:
        self.needs_another_pass = False
        self._known = known
        self._columns = columns
        self._like = like
        self._places = TableLocations()
        self._rows: RowArray | None = None
        self._n_rows = 0
        self._labels = LabelColumn("")
        self._weights: list[NDArray[np.float64]] = []
        self._encoders: dict[int, LearnedCategories | FixedCategories] = {}

    def append(self, block: Block) -> None:
        """Keep some rows.

        Raises:
            InvalidData: naming file and line of a label, weight or category that is refused.
        """
        rows = self._rows
        if rows is None or rows.width != block.x.shape[1]:
            rows = self._begin(block.x.shape[1], block.n_expected)
        self._learn(block, rows)
        if self.needs_another_pass:
            self._begin(rows.width)
            return
        self._labels.append(block.labels, block.where.at)
        self._keep_weight(block, rows)
        self._places.add(len(rows), block.where)
        kept = rows.append(block.x)
        for feature, texts in block.texts.items():
            kept[:, feature] = self._categories_of(feature).encode(texts, block.where.at)

    def finish(self, summary: Summary) -> Table:
        """The table of all rows.

        Args:
            summary: of the files, without columns.
        """
        layout, rows = self._known.layout, self._rows
        x = np.empty((0, len(layout.names)), self._known.dtype) if rows is None else rows.finish()
        categories = (
            self._like.categories if self._like is not None else self._categories(layout, x)
        )
        return Table(
            names=layout.names,
            has_names=layout.columns is not None,
            categories=categories,
            x=x,
            labels=self._labels.finish(),
            weight=self._weight(),
            summary=replace(summary, columns=_summary(layout.names, categories, x)),
            places=self._places,
            layout=layout,
            index_base=self._known.index_base or 0,
        )

    def _begin(self, width: int, n_rows: int = 0) -> RowArray:
        """Start with the first rows, or again because some rows are wider."""
        self.needs_another_pass |= self._rows is not None
        self._rows = RowArray(width, self._known.dtype, n_rows)
        self._labels = LabelColumn(_target_name(self._known.layout))
        return self._rows

    def _learn(self, block: Block, rows: RowArray) -> None:
        """Find columns of numbers that turn out to hold categories."""
        for feature, texts in block.texts.items():
            row = None if feature in self._known.categorical else first_category(texts)
            if row is not None:
                if self._known.are_fixed:
                    raise self._not_a_number(feature, text_at(texts, row), block.where.at(row))
                self._known.categorical.add(feature)
                self.needs_another_pass |= not np.isnan(rows.x[:, feature]).all()
        for feature in self._known.categorical - set(block.texts):
            self.needs_another_pass |= not np.isnan(block.x[:, feature]).all()

    def _not_a_number(self, feature: int, text: str, place: str) -> InvalidData:
        name = self._known.layout.names[feature]
        return InvalidData(
            f"{place}: {format_value(text.strip())} in column {format_value(name)} is not a "
            "number; the training data have numbers there"
        )

    def _categories_of(self, feature: int) -> LearnedCategories | FixedCategories:
        if feature not in self._encoders:
            name = self._known.layout.names[feature]
            if self._like is not None and name in self._like.categories:
                self._encoders[feature] = FixedCategories(name, self._like.categories[name])
            else:
                self._encoders[feature] = LearnedCategories(name, MOST_CATEGORIES)
        return self._encoders[feature]

    def _keep_weight(self, block: Block, rows: RowArray) -> None:
        if (block.weight is None) != (not self._weights) and len(rows):
            if self._known.has_weights:  # The next pass gives the rows before a weight of 1.
                self.needs_another_pass = True
                return
            raise InvalidData(
                f"{block.where.at(0)}: some files have a weight column and others do not; "
                "give all files the same columns"
            )
        if block.weight is not None:
            self._weights.append(block.weight)

    def _weight(self) -> NDArray[np.float64] | None:
        if not self._weights:
            return None
        weight = np.concatenate(self._weights)
        if not weight.any():
            raise InvalidData(
                f"all weights, from {self._places.at(0)} on, are 0; give some row a larger one"
            )
        return weight

    def _categories(self, layout: Layout, x: NDArray[Any]) -> dict[str, Categories]:
        """Sort the categories, and give the rows their final positions."""
        refuses = self._columns.refuse_unseen
        found = {}
        for feature, learned in sorted(self._encoders.items()):
            if isinstance(learned, LearnedCategories) and len(learned):
                categories, final = learned.finish(refuses_unseen=refuses)
                found[layout.names[feature]] = categories
                self._note_numbers(layout.names[feature], categories)
                _renumber(x[:, feature], final)
        return found

    def _note_numbers(self, name: str, categories: Categories) -> None:
        """Say that strings of Parquet or JSON are all numbers, which CSV would read as such."""
        if not categories.is_boolean and all(
            parse_number(text) is not None for text in categories.names
        ):
            self._known.note(
                self._places.at(0),
                f"column {format_value(name)} holds strings that are all numbers, such as "
                f"{format_value(categories.names[0])}, and is read as categories; if it holds "
                "quantities, write it as numbers, in pandas with astype(float)",
            )


def _renumber(column: NDArray[Any], final: NDArray[np.float64]) -> None:
    """Replace provisional positions, some rows at a time."""
    for start in range(0, len(column), _BLOCK_ROWS):
        rows = column[start : start + _BLOCK_ROWS]
        is_there = ~np.isnan(rows)
        rows[is_there] = final[rows[is_there].astype(np.intp)]


def _target_name(layout: Layout) -> str:
    target = layout.roles.target
    return (
        f"column {target + 1 if layout.columns is None else format_value(layout.columns[target])}"
    )


def _summary(
    names: tuple[str, ...], categories: Mapping[str, Categories], x: NDArray[Any]
) -> dict[str, ColumnSummary]:
    n_missing = np.zeros(len(names), np.int64)
    for start in range(0, len(x), _BLOCK_ROWS):
        n_missing += np.isnan(x[start : start + _BLOCK_ROWS]).sum(axis=0)
    return {
        name: _column_summary(categories.get(name), int(n), len(x))
        for name, n in zip(names, n_missing, strict=True)
    }


def _column_summary(categories: Categories | None, n_missing: int, n_rows: int) -> ColumnSummary:
    if categories is not None:
        kind: Kind = "boolean" if categories.is_boolean else "words"
        return ColumnSummary(kind, n_missing, len(categories.names))
    return ColumnSummary("missing" if n_missing == n_rows else "numbers", n_missing)
