"""Blocks of rows -> Table."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.csv.field_values import text_at
from mlserver_forest.formats.row_array import RowArray
from mlserver_forest.formats.row_locations import TableLocations
from mlserver_forest.schema.categories import Categories
from mlserver_forest.training.data.label_column import LabelColumn
from mlserver_forest.training.data.layout import Columns, Layout
from mlserver_forest.training.data.learned_categories import KnownWords, LearnedWords, first_word
from mlserver_forest.training.data.row_blocks import Block, Known
from mlserver_forest.training.data.table import MOST_WORDS, ColumnSummary, Kind, Summary, Table

_BLOCK_ROWS = 2**16


class Gathering:
    """One pass over a channel.

    Args:
        known: what is known of the columns; what is learned is added to it.
        columns: what the hyperparameters say about them.
        like: the training table, where this is another channel.

    Attributes:
        is_void: whether something was learned of which the rows before knew nothing, so that
            another pass is needed; the rest of this one is looked through for more of that.
    """

    def __init__(self, known: Known, columns: Columns, like: Table | None) -> None:
        self.is_void = False
        self._known = known
        self._columns = columns
        self._like = like
        self._places = TableLocations()
        self._rows: RowArray | None = None
        self._n_rows = 0
        self._labels = LabelColumn("")
        self._weights: list[NDArray[np.float64]] = []
        self._words: dict[int, LearnedWords | KnownWords] = {}

    def append(self, block: Block) -> None:
        """Keep some rows.

        Raises:
            InvalidData: naming file and line of a label, weight or word that is refused.
        """
        rows = self._rows
        if rows is None or rows.width != block.x.shape[1]:
            rows = self._begin(block.x.shape[1])
        self._learn(block, rows)
        if self.is_void:
            self._begin(rows.width)
            return
        self._labels.append(block.labels, block.where.at)
        self._keep_weight(block, rows)
        self._places.add(len(rows), block.where)
        kept = rows.append(block.x)
        for feature, texts in block.texts.items():
            kept[:, feature] = self._words_of(feature).encode(texts, block.where.at)

    def finish(self, summary: Summary) -> Table:
        """The table, once all rows are there.

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

    def _begin(self, width: int) -> RowArray:
        """Make room for the first rows, or for wider ones than any before."""
        self.is_void |= self._rows is not None
        self._rows = RowArray(width, self._known.dtype)
        self._labels = LabelColumn(_target_name(self._known.layout))
        return self._rows

    def _learn(self, block: Block, rows: RowArray) -> None:
        """Look for words where there were numbers, and for numbers that should be words."""
        for feature, texts in block.texts.items():
            row = None if feature in self._known.words else first_word(texts)
            if row is not None:
                if self._known.are_fixed:
                    raise self._no_number(feature, text_at(texts, row), block.where.at(row))
                self._known.words.add(feature)
                self.is_void |= not np.isnan(rows.x[:, feature]).all()
        for feature in self._known.words - set(block.texts):
            self.is_void |= not np.isnan(block.x[:, feature]).all()

    def _no_number(self, feature: int, word: str, place: str) -> InvalidData:
        name = self._known.layout.names[feature]
        return InvalidData(
            f"{place}: {format_value(word.strip())} in column {format_value(name)} is no "
            "number; the training "
            "data have numbers there"
        )

    def _words_of(self, feature: int) -> LearnedWords | KnownWords:
        if feature not in self._words:
            name = self._known.layout.names[feature]
            if self._like is not None and name in self._like.categories:
                self._words[feature] = KnownWords(name, self._like.categories[name])
            else:
                self._words[feature] = LearnedWords(name, MOST_WORDS)
        return self._words[feature]

    def _keep_weight(self, block: Block, rows: RowArray) -> None:
        if (block.weight is None) != (not self._weights) and len(rows):
            raise InvalidData(
                f"{block.where.at(0)}: a weight column stands in some files and not in others; "
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
        """Sort the words, and give each row the numbers that they have then."""
        refuses = self._columns.refuse_unseen
        found = {}
        for feature, words in sorted(self._words.items()):
            if isinstance(words, LearnedWords) and len(words):
                categories, final = words.finish(refuses_unseen=refuses)
                found[layout.names[feature]] = categories
                _renumber(x[:, feature], final)
        return found


def _renumber(column: NDArray[Any], final: NDArray[np.float64]) -> None:
    """Replace provisional numbers, some rows at a time."""
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
