"""What each host learned from its part of a table -> what all of them know."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.row_locations import TableLocations
from mlserver_forest.schema.categories import BOOLEAN, Categories
from mlserver_forest.training.cluster.merged_locations import MergedPlaces
from mlserver_forest.training.data.layout import UNKNOWN
from mlserver_forest.training.data.row_blocks import KnownColumns
from mlserver_forest.training.data.table import (
    MOST_CATEGORIES,
    ColumnSummary,
    Labels,
    Summary,
    Table,
)

_NO_LABELS = Labels((), np.empty(0, np.int32), None)


def head_of(table: Table, *, with_labels: bool = True) -> Table:
    """A table without its rows, which is to travel."""
    x = np.empty((0, len(table.names)), table.x.dtype)
    if with_labels:
        return replace(table, x=x)
    return replace(table, x=x, labels=_NO_LABELS, weight=None, places=TableLocations())


def recoded(table: Table, like: Table) -> Table:
    """A host's own table with the words' numbers that all hosts use; its rows are changed."""
    for feature, name in enumerate(like.names):
        own = table.categories.get(table.names[feature]) if len(table.names) else None
        if own is not None and own.names != like.categories[name].names:
            position = {word: code for code, word in enumerate(like.categories[name].names)}
            final = np.array([position[word] for word in own.names], table.x.dtype)
            column = table.x[:, feature]
            is_there = ~np.isnan(column)
            column[is_there] = final[column[is_there].astype(np.intp)]
    x = table.x if len(table.x) else np.empty((0, len(like.names)), table.x.dtype)
    return replace(table, names=like.names, categories=like.categories, x=x)


@dataclass(frozen=True, eq=False)
class Heads:
    """What all hosts found in their parts.

    Attributes:
        names: of the hosts.
        heads: of their tables, without rows.
    """

    names: Sequence[str]
    heads: Sequence[Table]

    def replaced(self, heads: Iterable[Table | None]) -> "Heads":
        """With what some hosts found when they looked again."""
        pairs = zip(self.heads, heads, strict=True)
        return Heads(self.names, [old if new is None else new for old, new in pairs])

    def to_be_looked_at_again(self) -> list[KnownColumns | None]:
        """For each host what it has to know, where it read its part otherwise than others."""
        if not self._used:
            return [None] * len(self.heads)
        # The first, as the first file decides on one host; but in sparse rows the last features
        # may be left out.
        named = self._used[0].has_names
        model = max(self._used, key=lambda head: (head.has_names == named, len(head.names)))
        words = {
            model.names.index(name) if name in model.names else feature
            for head in self._used
            for feature, name in enumerate(head.names)
            if name in head.categories
        }
        index_base = min(head.index_base for head in self._used)
        return [
            KnownColumns(head.x.dtype, model.layout, set(words), index_base=index_base)
            if head.layout != UNKNOWN and _differs(head, model, words, index_base)
            else None
            for head in self.heads
        ]

    def merged(self) -> Table:
        """The table of all hosts; its matrix holds nothing but its shape.

        Raises:
            InvalidData: where the parts do not go together.
        """
        used = self._used
        if not used:
            raise InvalidData(
                "no host has a row of the training channel; give it data files, one or more for "
                "each host"
            )
        first, n_rows = used[0], [len(head.labels) for head in self.heads]
        categories = self._categories(first.names)
        shape = (sum(n_rows), len(first.names))
        return replace(
            first,
            categories=categories,
            x=np.broadcast_to(np.asarray(np.nan, first.x.dtype), shape),
            labels=_merged_labels([head.labels for head in self.heads if len(head.labels)]),
            weight=self._weight(),
            summary=self._summary(first.names, categories),
            places=MergedPlaces(self.names, [head.places for head in self.heads], n_rows),
        )

    @property
    def _used(self) -> list[Table]:
        """Of the hosts that have rows."""
        return [head for head in self.heads if len(head.labels)]

    def _categories(self, names: Sequence[str]) -> dict[str, Categories]:
        found = {}
        for name in names:
            parts = [head.categories[name] for head in self._used if name in head.categories]
            if parts:
                found[name] = self._union(name, parts)
        return found

    def _union(self, name: str, parts: Sequence[Categories]) -> Categories:
        are_boolean = [part.is_boolean for part in parts]
        if all(are_boolean):
            return BOOLEAN
        words = sorted({word for part in parts if not part.is_boolean for word in part.names})
        if any(are_boolean):
            host = next(
                host
                for host, head in zip(self.names, self.heads, strict=True)
                if name in head.categories and head.categories[name].is_boolean
            )
            raise InvalidData(
                f"column {format_value(name)} holds only true and false on host {host!r}, and "
                "words such "
                f"as {format_value(words[0])} on others; write its values alike in all files"
            )
        if len(words) > MOST_CATEGORIES:
            raise InvalidData(
                f"column {format_value(name)} has more than {MOST_CATEGORIES} categories on all "
                f"hosts together, such as {format_value(words[0])}; if these are identifiers or "
                "free text, add the column to ignore"
            )
        return replace(parts[are_boolean.index(False)], names=tuple(words))

    def _weight(self) -> NDArray[np.float64] | None:
        weights = [head.weight for head in self._used if head.weight is not None]
        if weights and len(weights) != len(self._used):
            raise InvalidData(
                "a weight column stands in some hosts' files and not in others'; give all files "
                "the same columns"
            )
        return np.concatenate(weights) if weights else None

    def _summary(self, names: Sequence[str], categories: dict[str, Categories]) -> Summary:
        used = [head.summary for head in self._used]
        columns = {}
        for name in names:
            parts = [summary.columns[name] for summary in used]
            kinds = [part.kind for part in parts if part.kind != "missing"]
            words = categories[name].names if name in categories else None
            columns[name] = ColumnSummary(
                kinds[0] if kinds else "missing",
                sum(part.n_missing for part in parts),
                None if words is None else len(words),
            )
        files = tuple(file for summary in used for file in summary.files)
        return Summary(files, sum(summary.n_bytes for summary in used), columns)


def _differs(head: Table, model: Table, words: set[int], index_base: int) -> bool:
    """Whether a host has to read its part again."""
    if head.layout != model.layout or head.index_base != index_base:
        return True
    return any(
        head.summary.columns[name].kind == "numbers"
        for feature, name in enumerate(head.names)
        if feature in words
    )


def _merged_labels(parts: Sequence[Labels]) -> Labels:
    numbers = [part.numbers for part in parts if part.numbers is not None]
    all_numbers = np.concatenate(numbers) if len(numbers) == len(parts) else None
    spelt = [(part.words, part.codes) for part in parts]
    words = sorted({word for found, _ in spelt for word in found or ()})
    if len(words) > MOST_CATEGORIES or any(found is None for found, _ in spelt):
        if all_numbers is None:
            raise InvalidData(
                f"the target has more than {MOST_CATEGORIES} different labels on all hosts "
                f"together, and {format_value(words[-1])} is not a number; choose another target "
                "column"
            )
        return Labels(None, None, all_numbers)
    position = {word: code for code, word in enumerate(words)}
    codes = [
        np.array([position[word] for word in found or ()], np.int32)[own]
        for found, own in spelt
        if own is not None
    ]
    return Labels(tuple(words), np.concatenate(codes), all_numbers)
