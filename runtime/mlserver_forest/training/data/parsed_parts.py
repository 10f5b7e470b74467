"""Parts of a channel -> blocks of rows, by any format's parser."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.files.partitions import PartitionColumns
from mlserver_forest.formats.files.parts import Part
from mlserver_forest.formats.note import Note
from mlserver_forest.formats.parsing import TRAINING, ColumnPlan, FoundColumns, ParsedRows
from mlserver_forest.formats.source import Parse, Source
from mlserver_forest.training.data.layout import Columns, Roles, declared, learn, without_index
from mlserver_forest.training.data.row_blocks import (
    WEIGHT,
    Block,
    KnownColumns,
    weights_of,
    without_infinite,
)

_NAMES_SHOWN = 8


def read(
    parse: Parse,
    parts: Iterator[Part],
    known: KnownColumns,
    columns: Columns,
    parameters: Mapping[str, str],
) -> Generator[Block]:
    """Read the parts of a channel.

    Args:
        parse: of the channel's format.
        parts: one after the other.
        known: the columns as far as they are known; the first part adds to it.
        columns: what the hyperparameters say about them.
        parameters: of the content type.

    Raises:
        InvalidData: naming the file and the row, what came and what was expected.
    """
    for part in parts:
        with part.inflated() as stream:
            rows = _Rows(known, columns, part.partition)
            width, names = _expected(known, part.partition)
            source = Source(
                part.name,
                stream,
                _path(part, stream),
                width,
                names,
                known.note,
                declared(columns),
            )
            for parsed in parse(
                source, rows.plan, TRAINING, {**columns.parameters(), **parameters}
            ):
                yield rows.block(parsed)


def _expected(
    known: KnownColumns, partition: Mapping[str, str]
) -> tuple[int, tuple[str, ...] | None]:
    """The columns of the next file, as far as they are known: how many, and their names."""
    columns = known.layout.columns
    if known.is_empty or not partition:
        return known.layout.width, columns
    if columns is None:
        return known.layout.width - len(partition), None
    names = tuple(name for name in columns if name not in partition)
    # A file may have such a column itself.
    return len(names), names


def _path(part: Part, stream: BinaryIO) -> Path | None:
    """The part's file, if its bytes are not inflated."""
    return part.path if part.is_plain(stream) else None


class _Rows:
    """Parsed rows of one part as blocks of the training table."""

    def __init__(self, known: KnownColumns, columns: Columns, partition: Mapping[str, str]) -> None:
        self._partition = PartitionColumns(partition)
        self._known = known
        self._columns = columns
        self._kept: Sequence[int] = ()
        self._roles = Roles(0, None, ())
        self._n_expected = 0

    def plan(self, found: FoundColumns) -> ColumnPlan:
        """Find the target, the weight and the features among the columns.

        Called again, it only learns which features turned out to hold categories.

        Raises:
            InvalidData: naming the columns that are missing or unknown.
        """
        return self._partition.plan(self._plan(self._partition.add_to(found)))

    def _plan(self, found: FoundColumns) -> ColumnPlan:
        known, names, self._n_expected = self._known, found.names, found.n_rows
        wanted = set(known.layout.columns or ())
        self._kept = kept = [
            column
            for column in range(found.width)
            if column not in found.index_columns or (names is not None and names[column] in wanted)
        ]
        kept_names = None if names is None else tuple(names[column] for column in kept)
        columns = FoundColumns(kept_names, len(kept), found.location)
        is_new = known.is_empty
        if found.may_grow and not is_new and not known.are_fixed:
            self._grow(columns)
        if is_new:
            dropped = [name for column, name in enumerate(names or ()) if column not in kept]
            layout = learn(columns, without_index(self._columns, kept, dropped))
            known.has_types = found.has_types
            known.layout = replace(layout, index=tuple(filter(None, dropped)))
            self._note(columns)
        self._roles = roles = known.layout.roles_of(columns)
        features = [kept[place] for place in roles.features]
        forced = known.layout.forced()
        if is_new:
            known.categorical |= forced
            known.categorical |= {f for f, column in enumerate(features) if column in found.texts}
        texts = {kept[roles.target]}
        for feature, column in enumerate(features):
            is_boolean = column in found.booleans and not known.takes_booleans(feature)
            if feature in known.categorical or is_boolean:
                texts.add(column)
        spelled = [kept[roles.target]]
        mixed = [features[feature] for feature in sorted({*forced, *known.spellings, *known.mixed})]
        dates = [features[feature] for feature, one in known.spellings.items() if one.is_date]
        if roles.weight is not None:
            features.append(kept[roles.weight])
            spelled.append(kept[roles.weight])
        first = found.location.rpartition(", ")[2]
        return ColumnPlan(
            width=found.width,
            features=features,
            texts=texts,
            dtype=known.dtype,
            expected=f"{first} has {found.width - len(self._partition.names)}{_listed(names)}",
            spelled=spelled,
            mixed=mixed,
            dates=dates,
            learns=not known.are_fixed,
            absent=float("nan") if self._columns.absent_is_missing else 0.0,
            names=names or self._names(found.width),
            by_position=not known.are_fixed and self._columns.are_by_position,
        )

    def _note(self, columns: FoundColumns) -> None:
        """Keep notes about columns that are ignored, and about those that folders add."""
        layout, place = self._known.layout, columns.location
        for name in sorted(layout.ignored):
            text = (
                f"ignore has {format_value(name)}, which is not a column of {place}; it is ignored "
                "in the other channels"
            )
            self._known.note(Note(text, "ignore", name))
        used = {*layout.roles.features, layout.roles.target}
        if columns.names and columns.names[-1] == "" and columns.width - 1 not in used:
            text = (
                f"column {columns.width} does not have a name and is ignored; all lines seem to "
                "end in a separator"
            )
            self._known.note(Note(text, place=place))
        if names := self._partition.names:
            listed = ", ".join(map(format_value, names))
            text = f"the names of its folders add the columns {listed}"
            self._known.note(Note(text, "ignore", place=place))

    def _grow(self, columns: FoundColumns) -> None:
        """Take columns that the rows before left out, as another pass will read them.

        Raises:
            InvalidData: if the target, which is chosen by position, would be another column.
        """
        before, known = self._known.layout, self._known
        if set(columns.names or ()) <= set(before.columns or ()):
            return
        known.layout = layout = learn(columns, self._columns)
        target, other = before.columns, layout.columns
        if target is not None and other is not None:
            name, now = target[before.roles.target], other[layout.roles.target]
            if name != now:
                raise InvalidData(
                    f"{columns.location}: the target could be {format_value(name)} or "
                    f"{format_value(now)}, because rows leave out columns; set target to its name"
                )
        known.categorical = {layout.names.index(before.names[f]) for f in known.categorical}

    def _names(self, width: int) -> Sequence[str]:
        """The names, in error messages, of columns that do not have any."""
        names, roles = ["the label"] * width, self._roles
        for feature, place in enumerate(roles.features):
            names[self._kept[place]] = self._known.layout.names[feature]
        if roles.weight is not None:
            names[self._kept[roles.weight]] = "the weight"
        return names

    def block(self, rows: ParsedRows) -> Block:
        """Some rows as a block.

        Its problems name numbers that are infinite or too large for the dtype, and weights that are
        not numbers.
        """
        rows = self._partition.fill_in(rows)
        roles, n_features = self._roles, len(self._roles.features)
        with np.errstate(over="ignore", invalid="ignore"):
            x = np.asarray(rows.x[:, :n_features], self._known.dtype)
        x, problems = without_infinite(x, rows.locations, rows.x, self._known, roles.features)
        columns = {
            place: _text(rows.texts[column])
            for place, column in enumerate(self._kept)
            if column in rows.texts
        }
        features = enumerate(roles.features)
        texts = {feature: columns[place] for feature, place in features if place in columns}
        weight = None
        if roles.weight is not None:
            column = columns.get(roles.weight)
            column = rows.x[:, n_features] if column is None else column
            weight, problem = weights_of(column, rows.locations, roles.weight)
            problems |= {WEIGHT: problem} if problem else {}
        labels = columns[roles.target]
        return Block(rows.locations, x, texts, labels, weight, self._n_expected, problems)


def _listed(names: Sequence[str] | None) -> str:
    if names is None:
        return ""
    return f" ({', '.join(names[:_NAMES_SHOWN])}{', ...' if len(names) > _NAMES_SHOWN else ''})"


def _text(column: Any) -> Any:
    """A column of text as a list or a pyarrow.StringArray; a column of numbers as it is."""
    if isinstance(column, list | np.ndarray) or pa.types.is_string(column.type):
        return column
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column if pa.types.is_string(column.type) else column.cast(pa.string())
