"""The tables that several hosts read from their parts -> the table that all of them share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.note import Note
from mlserver_forest.formats.row_locations import TableLocations
from mlserver_forest.schema.categories import BOOLEAN, Categories
from mlserver_forest.schema.number_spelling import NumberSpelling
from mlserver_forest.training.data.layout import UNKNOWN, Columns, Layout
from mlserver_forest.training.data.learned_categories import hashed_categories
from mlserver_forest.training.data.row_blocks import KnownColumns
from mlserver_forest.training.data.table import (
    MOST_CATEGORIES,
    ColumnSummary,
    Summary,
    Table,
    TargetLabels,
)

_UNITS = {"percent", "currency"}
_NO_LABELS = TargetLabels((), np.empty(0, np.int32), None)


def without_rows(table: Table, *, with_labels: bool = True) -> Table:
    """A table without its matrix, to send to another host."""
    x = np.empty((0, len(table.names)), table.x.dtype)
    if with_labels:
        return replace(table, x=x)
    return replace(table, x=x, labels=_NO_LABELS, weight=None, places=TableLocations())


def recoded(table: Table, like: Table) -> Table:
    """A host's own table with the category codes of all hosts; its matrix is changed in place."""
    for feature, name in enumerate(like.names):
        own = table.categories.get(table.names[feature]) if len(table.names) else None
        if own is not None and not own.is_hashed and own.names != like.categories[name].names:
            final = np.array(like.categories[name].codes(own.names), table.x.dtype)
            column = table.x[:, feature]
            is_there = ~np.isnan(column)
            column[is_there] = final[column[is_there].astype(np.intp)]
    x = table.x if len(table.x) else np.empty((0, len(like.names)), table.x.dtype)
    return replace(
        table, names=like.names, categories=like.categories, spellings=like.spellings, x=x
    )


def united_notes(parts: Iterable[Summary]) -> tuple[Note, ...]:
    """The notes of several hosts about their parts of a channel, each once."""
    return tuple({note.text: note for part in parts for note in part.notes}.values())


@dataclass(frozen=True, eq=False)
class TableMerge:
    """The tables of all hosts, to be merged.

    Attributes:
        names: the names of the hosts.
        tables: each host's table, without its matrix.
        columns: what the hyperparameters say about columns.
    """

    names: Sequence[str]
    tables: Sequence[Table]
    columns: Columns = field(default_factory=Columns)

    def replaced(self, tables: Iterable[Table | None]) -> "TableMerge":
        """Replace the tables of hosts that read their part again; None keeps a table."""
        pairs = zip(self.tables, tables, strict=True)
        return replace(self, tables=[old if new is None else new for old, new in pairs])

    def to_read_again(self) -> list[KnownColumns | None]:
        """For each host, the columns with which to read again; None if it need not."""
        if not self._used:
            return [None] * len(self.tables)
        # The first host decides, as the first file does on one host. But sparse rows may leave out
        # the last features.
        named = self._used[0].has_names
        model = max(self._used, key=lambda table: (table.has_names == named, len(table.names)))
        left_out = {name for table in self._used for name in table.layout.left_out}
        layout = model.layout.without(left_out) if left_out else model.layout
        categorical = {
            layout.names.index(name) if name in layout.names else feature
            for table in self._used
            for feature, name in enumerate(table.names)
            if name in table.categories and name not in left_out
        }
        self._refuse_two_kinds()
        index_base = min(table.index_base for table in self._used)
        return [
            KnownColumns(
                table.x.dtype,
                table.x.dtype,
                layout,
                set(categorical),
                index_base=index_base,
                notes={note.text: note for note in table.summary.notes},
            )
            if table.layout != UNKNOWN and _differs(table, layout, categorical, index_base)
            else None
            for table in self.tables
        ]

    def merged(self) -> Table:
        """The table of all hosts; its matrix has the right shape and NaN everywhere.

        Raises:
            InvalidData: if the parts contradict each other.
        """
        used = self._used
        if not used:
            raise InvalidData(
                "no host has a row of the training channel; give it data files, one or more for "
                "each host"
            )
        first, n_rows = used[0], [len(table.labels) for table in self.tables]
        categories = self._categories(first.names)
        shape = (sum(n_rows), len(first.names))
        return replace(
            first,
            categories=categories,
            x=np.broadcast_to(np.asarray(np.nan, first.x.dtype), shape),
            labels=_merged_labels([table.labels for table in self.tables if len(table.labels)]),
            weight=self._weight(),
            summary=self._summary(first.names, categories),
            spellings=self._spellings(),
            places=_MergedLocations(self.names, [table.places for table in self.tables], n_rows),
        )

    @property
    def _used(self) -> list[Table]:
        """The tables of the hosts that have rows."""
        return [table for table in self.tables if len(table.labels)]

    def _refuse_two_kinds(self) -> None:
        """Refuse numbers in a special spelling on one host that are categories on another."""
        hosts = [(n, t) for n, t in zip(self.names, self.tables, strict=True) if len(t.labels)]
        for host, table in hosts:
            for name in table.spellings:
                other = next((o for o, found in hosts if name in found.categories), None)
                if other is not None:
                    raise InvalidData(
                        f"column {format_value(name)} holds numbers on host {host!r} and "
                        f"categories on host {other!r}; correct the values, or set "
                        f"categories={name} if they are categories"
                    )
                self._refuse_two_units(host, name, table.spellings[name], hosts)

    def _refuse_two_units(
        self, host: str, name: str, spelling: NumberSpelling, hosts: Sequence[tuple[str, Table]]
    ) -> None:
        """Refuse signs of percent or currency on one host that the numbers of another lack."""
        for other, table in hosts:
            own = table.spellings.get(name, NumberSpelling())
            is_there = name in table.names and table.summary.columns[name].kind == "numbers"
            if is_there and _UNITS & spelling.marks != _UNITS & own.marks:
                raise InvalidData(
                    f"column {format_value(name)} holds numbers with {spelling.titles()} on host "
                    f"{host!r}, but not on host {other!r}; write all numbers of the column in the "
                    "same way"
                )

    def _spellings(self) -> dict[str, NumberSpelling]:
        found: dict[str, NumberSpelling] = {}
        for table in self._used:
            for name, spelling in table.spellings.items():
                found[name] = spelling.united(found.get(name, spelling))
        return found

    def _categories(self, names: Sequence[str]) -> dict[str, Categories]:
        found = {}
        for name in names:
            parts = [table.categories[name] for table in self._used if name in table.categories]
            if parts:
                found[name] = self._union(name, parts)
        return found

    def _union(self, name: str, parts: Sequence[Categories]) -> Categories:
        are_boolean = [part.is_boolean for part in parts]
        if all(are_boolean):
            return BOOLEAN
        names = sorted({text for part in parts if not part.is_boolean for text in part.names})
        if any(are_boolean):
            host = next(
                host
                for host, table in zip(self.names, self.tables, strict=True)
                if name in table.categories and table.categories[name].is_boolean
            )
            raise InvalidData(
                f"column {format_value(name)} holds only true and false on host {host!r}, and "
                f"categories such as {format_value(names[0])} on others; write its values in "
                "the same way in all files"
            )
        hashed = [part for part in parts if part.is_hashed]
        if hashed:
            return hashed[0]
        if len(names) > MOST_CATEGORIES:
            if self.columns.many_categories == "error":
                raise InvalidData(
                    f"column {format_value(name)} has more than {MOST_CATEGORIES} categories on "
                    f"all hosts together, such as {format_value(names[0])}; if these are "
                    "identifiers or free text, add the column to ignore; if they say something "
                    "about the target, set many_categories=hash"
                )
            return hashed_categories((), self.columns, MOST_CATEGORIES)
        return replace(parts[are_boolean.index(False)], names=tuple(names))

    def _weight(self) -> NDArray[np.float64] | None:
        weights = [table.weight for table in self._used if table.weight is not None]
        if weights and len(weights) != len(self._used):
            raise InvalidData(
                "the files of some hosts have a weight column and those of others do not; give "
                "all files the same columns"
            )
        return np.concatenate(weights) if weights else None

    def _summary(self, names: Sequence[str], categories: dict[str, Categories]) -> Summary:
        used = [table.summary for table in self._used]
        columns = {}
        for name in names:
            parts = [summary.columns[name] for summary in used]
            found = categories.get(name)
            n_distinct = None if found is None else len(found.names)
            if found is not None and found.is_hashed:  # The hosts may have the same categories.
                n_distinct = max(part.n_distinct or 0 for part in parts)
            kinds = [part.kind for part in parts if part.kind != "missing"]
            columns[name] = ColumnSummary(
                kinds[0] if kinds else "missing",
                sum(part.n_missing for part in parts),
                n_distinct,
            )
        files = tuple(file for summary in used for file in summary.files)
        n_bytes = sum(summary.n_bytes for summary in used)
        n_without_target = sum(table.summary.n_without_target for table in self.tables)
        return Summary(files, n_bytes, columns, united_notes(used), n_without_target)


def _differs(table: Table, layout: Layout, categorical: set[int], index_base: int) -> bool:
    """Whether a host has to read its part again."""
    if table.layout != layout or table.index_base != index_base:
        return True
    return any(
        table.summary.columns[name].kind == "numbers"
        for feature, name in enumerate(table.names)
        if feature in categorical
    )


def _merged_labels(parts: Sequence[TargetLabels]) -> TargetLabels:
    numbers = [part.numbers for part in parts if part.numbers is not None]
    all_numbers = np.concatenate(numbers) if len(numbers) == len(parts) else None
    texts = [(part.distinct, part.codes) for part in parts]
    distinct = sorted({text for found, _ in texts for text in found or ()})
    if len(distinct) > MOST_CATEGORIES or any(found is None for found, _ in texts):
        if all_numbers is None:
            raise InvalidData(
                f"the target has more than {MOST_CATEGORIES} different labels on all hosts "
                f"together, and {format_value(distinct[-1])} is not a number; choose another "
                "target column"
            )
        return TargetLabels(None, None, all_numbers)
    position = {text: code for code, text in enumerate(distinct)}
    codes = [
        np.array([position[text] for text in found or ()], np.int32)[own]
        for found, own in texts
        if own is not None
    ]
    has_integers = all(part.has_integers for part in parts)
    return TargetLabels(tuple(distinct), np.concatenate(codes), all_numbers, has_integers)


class _MergedLocations(TableLocations):
    """The locations of several hosts' rows.

    Args:
        names: the names of the hosts.
        locations: the locations of each host's rows.
        n_rows: the number of rows of each host.
    """

    def __init__(
        self, names: Sequence[str], locations: Sequence[TableLocations], n_rows: list[int]
    ) -> None:
        super().__init__()
        self._names = names
        self._locations = locations
        self._first_rows = np.cumsum([0, *n_rows])

    def at(self, row: int) -> str:
        """Host, file and line of a row."""
        host = int(np.searchsorted(self._first_rows, row, side="right")) - 1
        location = self._locations[host].at(row - int(self._first_rows[host]))
        return f"host {self._names[host]!r}: {location}"
