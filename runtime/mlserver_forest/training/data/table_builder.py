"""Blocks of rows, collected in a Table."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.field_values import text_at
from mlserver_forest.formats.row_array import RowArray
from mlserver_forest.formats.row_locations import TableLocations
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.number_spelling import NumberSpelling
from mlserver_forest.training.data.column_decision import ColumnDecision, TextContent
from mlserver_forest.training.data.label_column import LabelColumn
from mlserver_forest.training.data.layout import Columns, Layout
from mlserver_forest.training.data.learned_categories import (
    FixedCategories,
    LearnedCategories,
    SpelledNumbers,
    first_category,
)
from mlserver_forest.training.data.missing_targets import MissingTargets
from mlserver_forest.training.data.problem import Problem, refusal
from mlserver_forest.training.data.row_blocks import TARGET, WEIGHT, Block, KnownColumns
from mlserver_forest.training.data.table import (
    MOST_CATEGORIES,
    ColumnSummary,
    Kind,
    Summary,
    Table,
    TargetLabels,
)

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
        self._labels = self._label_column()
        self._missing_targets = MissingTargets(columns.missing_target)
        self._weights: list[NDArray[np.float64]] = []
        self._encoders: dict[int, LearnedCategories | FixedCategories | SpelledNumbers] = {}
        self._spellings: dict[str, NumberSpelling] = {}
        self._problems: dict[int, Problem] = {}
        self._left_out: set[str] = set()

    def append(self, block: Block) -> None:
        """Keep some rows.

        Raises:
            InvalidData: naming file and line of a label, weight or category that is refused.
        """
        block = self._missing_targets.without(block, self._labels)
        rows = self._rows
        if rows is None or rows.width != block.x.shape[1]:
            rows = self._begin(block.x.shape[1], block.n_expected)
        self._learn(block, rows)
        if self.needs_another_pass:
            self._begin(rows.width)
            return
        for column, problem in block.problems.items():
            self._problems.setdefault(column, problem)
        self._keep_labels(block)
        self._keep_weight(block, rows)
        self._places.add(len(rows), block.where)
        kept = rows.append(block.x)
        for feature, texts in block.texts.items():
            encoder = self._categories_of(feature)
            kept[:, feature] = encoder.encode(texts, block.where.at)
            if isinstance(encoder, LearnedCategories) and encoder.is_full():
                self._reread(feature, encoder, rows)

    def finish(self, summary: Summary) -> Table:
        """The table of all rows.

        Args:
            summary: of the files, without columns.

        Raises:
            InvalidData: naming all columns that the owner of the data has to decide about.
        """
        layout, rows = self._known.layout, self._rows
        n_without_target = self._missing_targets.count
        if n_without_target and not rows:
            raise InvalidData(
                f"all {n_without_target} rows are without a target ({layout.target_name}), "
                f"from {self._missing_targets.first} on; set target to another column, or "
                "na_labels=keep if NA and the like are labels"
            )
        x = np.empty((0, len(layout.names)), self._known.dtype) if rows is None else rows.finish()
        labels = self._finish_labels()
        weight = self._weight()
        like = self._like
        categories = self._categories(layout, x) if like is None else like.categories
        self._refuse_problems()
        if self._left_out:
            layout, x = self._without_left_out(layout, x)
        spellings = self._spellings if like is None else like.spellings
        summary = replace(
            summary,
            columns=_summary(layout.names, categories, x),
            notes=tuple(self._known.notes.values()),
            n_without_target=n_without_target,
        )
        table = Table(
            names=layout.names,
            has_names=layout.columns is not None,
            categories=categories,
            x=x,
            labels=labels,
            weight=weight,
            summary=summary,
            places=self._places,
            layout=layout,
            index_base=self._known.index_base or 0,
            spellings=spellings,
        )
        if like is None and not table.derived_from:
            return replace(table, x=x.astype(self._known.limit, copy=False))
        return table

    def _without_left_out(self, layout: Layout, x: NDArray[Any]) -> tuple[Layout, NDArray[Any]]:
        kept = [f for f, name in enumerate(layout.names) if name not in self._left_out]
        if not kept:
            notes = [note.sentence for note in self._known.notes.values()]
            raise InvalidData(". ".join(["no feature is left", *notes]))
        return layout.without(self._left_out), np.ascontiguousarray(x[:, kept])

    def _begin(self, width: int, n_rows: int = 0) -> RowArray:
        """Start with the first rows, or again because some rows are wider."""
        self.needs_another_pass |= self._rows is not None
        self._rows = RowArray(width, self._known.dtype, n_rows)
        self._labels = self._label_column()
        return self._rows

    def _label_column(self) -> LabelColumn:
        name = self._known.layout.target_name
        return LabelColumn(name, keeps_na=self._columns.keep_na_labels)

    def _learn(self, block: Block, rows: RowArray) -> None:
        """Find columns of numbers that turn out to hold categories."""
        for feature, texts in block.texts.items():
            if feature in self._known.categorical or feature in self._known.spellings:
                continue
            row = first_category(texts)
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
            "number; the training data have numbers there; correct it, or name it in "
            "missing_values if it means a missing value"
        )

    def _categories_of(self, feature: int) -> LearnedCategories | FixedCategories | SpelledNumbers:
        if feature not in self._encoders:
            name = self._known.layout.names[feature]
            if self._like is not None and name in self._like.categories:
                self._encoders[feature] = FixedCategories(name, self._like.categories[name])
            elif feature in self._known.spellings:
                self._encoders[feature] = SpelledNumbers(name, self._known.spellings[feature])
            else:
                self._encoders[feature] = LearnedCategories(name, MOST_CATEGORIES, self._columns)
        return self._encoders[feature]

    def _keep_labels(self, block: Block) -> None:
        """Keep labels; a fault in them is told with those of the features."""
        try:
            self._labels.append(block.labels, block.where.at)
        except InvalidData as error:
            self._problems.setdefault(TARGET, Problem(str(error)))

    def _finish_labels(self) -> TargetLabels:
        """The labels; if they have a fault, they are empty."""
        name = self._known.layout.target_name
        try:
            labels = self._labels.finish()
        except InvalidData as error:
            self._problems.setdefault(TARGET, Problem(str(error)))
            return TargetLabels(None, None, np.empty(0))
        if problem := self._missing_targets.problem(labels, name):
            self._problems.setdefault(TARGET, problem)
        elif note := self._missing_targets.note(name):
            self._known.note(note)
        return labels

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
            text = f"all weights, from {self._places.at(0)} on, are 0; give some row a larger one"
            self._problems.setdefault(WEIGHT, Problem(text))
        return weight

    def _categories(self, layout: Layout, x: NDArray[Any]) -> dict[str, Categories]:
        """Sort the categories, and give the rows their final positions, or their numbers."""
        refuses = self._columns.refuse_unseen
        found: dict[str, Categories] = {}
        for feature, learned in sorted(self._encoders.items()):
            if not isinstance(learned, LearnedCategories) or learned.is_empty:
                continue
            name, column = layout.names[feature], x[:, feature]
            if learned.is_decided:
                found |= self._decided(name, learned)
                continue
            categories, final = learned.finish(refuses_unseen=refuses) or (None, None)
            if name not in layout.categorical and (categories is None or not categories.is_boolean):
                decision = self._decide(feature, learned, column)
                self._keep(name, decision)
                if decision.problem:
                    self._problems[feature] = decision.problem
                if decision.is_left_out:
                    self._left_out.add(name)
                    continue
                if decision.values is not None:
                    _renumber(column, decision.values)
                    continue
            if categories is None or final is None:
                column[:] = np.nan
            else:
                found[name] = categories
                _renumber(column, final)
        return found

    def _decided(self, name: str, learned: LearnedCategories) -> dict[str, Categories]:
        """A column with too many different values: its categories, if it has some."""
        if learned.spelling is not None:
            self._spell(name, learned.spelling)
        if learned.is_left_out:
            self._left_out.add(name)
        return {} if learned.hashed is None else {name: learned.hashed}

    def _refuse_problems(self) -> None:
        """Refuse the table if something in it needs a decision; the header may be the reason."""
        if self._problems:
            notes = [note.sentence for note in self._known.notes.values() if not note.column]
            raise refusal((self._problems[column] for column in sorted(self._problems)), notes)

    def _decide(
        self, feature: int, learned: LearnedCategories, column: NDArray[Any]
    ) -> ColumnDecision:
        texts = learned.texts
        content = TextContent(
            name=self._known.layout.names[feature],
            setting=self._setting(feature),
            texts=texts,
            count=lambda: _count(column, len(texts)),
            at=lambda code: self._places.at(int((column == code).argmax())),
            dtype=self._known.limit,
            has_types=self._known.has_types,
        )
        return content.decide(self._columns)

    def _setting(self, feature: int) -> str:
        """The column of a feature as a hyperparameter names it."""
        layout = self._known.layout
        position = layout.roles.features[feature]
        return str(position) if layout.columns is None else layout.columns[position]

    def _keep(self, name: str, decision: ColumnDecision) -> None:
        if decision.spelling is not None:
            self._spell(name, decision.spelling)
        if decision.note is not None:
            self._known.note(decision.note)

    def _spell(self, name: str, spelling: NumberSpelling) -> None:
        if spelling.marks or spelling.missing or spelling.is_date:
            self._spellings[name] = spelling

    def _reread(self, feature: int, learned: LearnedCategories, rows: RowArray) -> None:
        """Read a column as numbers or hashes that has too many different values for categories."""
        column, name = rows.x[:, feature], self._known.layout.names[feature]
        if name in self._known.layout.categorical:
            self._hash(feature, learned, column)
            return
        decision = self._decide(feature, learned, column)
        if decision.problem:
            self._hash(feature, learned, column, decision.problem)
            return
        self._keep(name, decision)
        if decision.is_left_out:
            learned.is_left_out = True
        elif decision.values is None:
            self._hash(feature, learned, column)
        else:
            _renumber(column, decision.values)
            learned.spelling = decision.spelling

    def _hash(
        self,
        feature: int,
        learned: LearnedCategories,
        column: NDArray[Any],
        problem: Problem | None = None,
    ) -> None:
        """Tell too many categories apart by their hashes.

        If they may not be, or there is a problem with the column, the rest of the data is read for
        the problems in it.
        """
        if problem is None and self._columns.many_categories == "error":
            problem = learned.too_many(self._setting(feature))
        _renumber(column, learned.hash(_count(column, len(learned.texts))))
        if problem is None:
            self._known.note(learned.hash_note())
        else:
            self._problems.setdefault(feature, problem)


def _count(column: NDArray[Any], n_codes: int) -> NDArray[np.int64]:
    """How often each provisional position occurs."""
    counts = np.zeros(n_codes, np.int64)
    for start in range(0, len(column), _BLOCK_ROWS):
        rows = column[start : start + _BLOCK_ROWS]
        counts += np.bincount(rows[~np.isnan(rows)].astype(np.intp), minlength=n_codes)
    return counts


def _renumber(column: NDArray[Any], final: NDArray[np.float64]) -> None:
    """Replace provisional positions, some rows at a time."""
    for start in range(0, len(column), _BLOCK_ROWS):
        rows = column[start : start + _BLOCK_ROWS]
        is_there = ~np.isnan(rows)
        rows[is_there] = final[rows[is_there].astype(np.intp)]


def _summary(
    names: tuple[str, ...], categories: Mapping[str, Categories], x: NDArray[Any]
) -> dict[str, ColumnSummary]:
    n_missing = np.zeros(len(names), np.int64)
    for start in range(0, len(x), _BLOCK_ROWS):
        n_missing += np.isnan(x[start : start + _BLOCK_ROWS]).sum(axis=0)
    return {
        name: _column_summary(categories.get(name), int(n), x[:, feature])
        for feature, (name, n) in enumerate(zip(names, n_missing, strict=True))
    }


def _column_summary(
    categories: Categories | None, n_missing: int, values: NDArray[Any]
) -> ColumnSummary:
    if categories is not None:
        kind: Kind = "boolean" if categories.is_boolean else "words"
        n_distinct = len(categories.names)
        if categories.is_hashed:
            n_distinct = len(np.unique(values[~np.isnan(values)]))
        return ColumnSummary(kind, n_missing, n_distinct)
    return ColumnSummary("missing" if n_missing == len(values) else "numbers", n_missing)
