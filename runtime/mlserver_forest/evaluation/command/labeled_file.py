"""A file of rows with their targets, read as a request is, by any format's parser."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from mlserver_forest.errors import InvalidData, InvalidInput, format_value
from mlserver_forest.formats.decoding import RequestDecoder
from mlserver_forest.formats.files.parts import Part
from mlserver_forest.formats.parsing import (
    TRAINING,
    ColumnPlan,
    FoundColumns,
    ParsedRows,
    PlanColumns,
)
from mlserver_forest.formats.registry import find, load
from mlserver_forest.formats.source import Source
from mlserver_forest.model.row_values import feature_values
from mlserver_forest.schema.schema import Schema
from mlserver_forest.training.data.channel_format import named_format

# The limits are those of training, because the file is the caller's own.
_POLICY = replace(
    TRAINING, is_training=False, unit="row", invalid=InvalidInput, too_large=InvalidInput
)
_UNBOUNDED = 1 << 50
_SHOWN = 12


class LabeledFile:
    """Rows and columns beside them.

    Attributes:
        x: (n_samples, n_features), as ``Schema.conform`` returns it.
        columns: by name, (n_samples,) Python values or texts of each column that was asked for.
    """

    def __init__(self, path: Path, schema: Schema, names: Sequence[str]) -> None:
        """Read a file with named columns, which may be compressed; other columns are skipped.

        Args:
            path: of the file, whose name says its format; CSV if it says none.
            schema: the features.
            names: other columns to keep; they may be features, too.

        Raises:
            InvalidData: naming the file and the row, what came and what was expected.
        """
        wanted = list(dict.fromkeys(names))
        self._kept: dict[str, list[Any]] = {n: [] for n in wanted if n not in schema.feature_names}
        self._places: dict[str, int] = {}
        decoder = RequestDecoder(replace(schema, ignores_extra=True))
        try:
            self.x = decoder.matrix(lambda plan: self._rows(path, schema, plan), _UNBOUNDED)
        except (InvalidInput, OSError) as error:
            raise InvalidData(f"{path}: {error}") from error
        self.columns = {
            name: self._kept.get(name) or feature_values(self.x, schema, name) for name in wanted
        }

    def _rows(self, path: Path, schema: Schema, plan: PlanColumns) -> Iterator[ParsedRows]:
        for rows in parsed_file(path, schema.feature_names, self._with_kept(plan)):
            yield self._keep(rows)

    def _with_kept(self, plan_columns: PlanColumns) -> PlanColumns:
        def plan(found: FoundColumns) -> ColumnPlan:
            self._places = {name: _place(found, name) for name in self._kept}
            own = plan_columns(found)
            places = [*self._places.values()]
            return replace(own, texts=[*own.texts, *places], spelled=[*own.spelled, *places])

        return plan

    def _keep(self, rows: ParsedRows) -> ParsedRows:
        texts = dict(rows.texts)
        for name, place in self._places.items():
            values = texts.pop(place)
            self._kept[name] += values if isinstance(values, list) else values.to_pylist()
        return replace(rows, texts=texts)


def named_columns(path: Path, names: Sequence[str]) -> dict[str, list[str | None]]:
    """Read columns of a file that may have others.

    Args:
        path: of the file, as in ``LabeledFile``.
        names: of the columns.

    Returns:
        The text of each value by column, (n_samples,); None or "" where one is missing.

    Raises:
        InvalidData: naming the file and the row, what came and what was expected.
    """
    columns: dict[str, list[str | None]] = {name: [] for name in names}
    places: dict[str, int] = {}

    def plan(found: FoundColumns) -> ColumnPlan:
        places.update({name: _place(found, name) for name in names})
        kept = tuple(places.values())
        expected, dtype = f"the columns are {', '.join(names)}", np.dtype(np.float64)
        return ColumnPlan(
            found.width, (), kept, dtype, expected, spelled=kept, names=found.names or ()
        )

    try:
        for rows in parsed_file(path, names, plan):
            for name, place in places.items():
                values = rows.texts[place]
                columns[name] += values if isinstance(values, list) else values.to_pylist()
    except (InvalidInput, OSError) as error:
        raise InvalidData(f"{path}: {error}") from error
    return columns


def parsed_file(path: Path, names: Sequence[str], plan: PlanColumns) -> Iterator[ParsedRows]:
    """The rows of a file with named columns, which may be compressed.

    Args:
        path: of the file, whose name says its format; CSV if it says none.
        names: of the columns that will be asked for.
        plan: says how each column is read.

    Raises:
        InvalidInput: if the format has no names, or a row cannot be read.
    """
    found = named_format(path.name)
    found = find(found.read_as) or found
    if not found.has_columns:
        raise InvalidInput(
            f"{found.name} has no named columns; expected a file with a column for the target, "
            "such as CSV or Parquet"
        )
    with path.open("rb", buffering=0) as stored:
        part = Part(str(path), cast("BinaryIO", stored), path)
        with part.inflated() as stream:
            plain = path if part.is_plain(stream) else None
            source = Source("", stream, plain, len(names), tuple(names))
            yield from load(found.parse)(source, plan, _POLICY, {"header": "present"})


def _place(found: FoundColumns, name: str) -> int:
    if found.names is None:
        raise InvalidInput(f"the columns have no names; expected {format_value(name)} among them")
    if name not in found.names:
        close = get_close_matches(name, found.names, 1)
        hint = f"did you mean {format_value(close[0])}? " if close else ""
        shown = ", ".join(map(format_value, found.names[:_SHOWN]))
        more = f", ... {len(found.names)} in all" if len(found.names) > _SHOWN else ""
        raise InvalidInput(
            f"there is no column {format_value(name)}; {hint}the columns are {shown}{more}"
        )
    return found.names.index(name)
