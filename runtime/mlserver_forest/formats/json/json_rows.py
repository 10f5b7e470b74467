"""Rows of JSON in every shape that clients send, for training and serving alike.

A row is a list of values, ``{"features": [...]}``, ``{"data": {"features": {"values": [...]}}}``,
the same with ``keys`` and ``shape`` for a sparse row, or an object of values by column name. A
column may be called ``features`` or ``data``: if the value is a list or an object, it is the
envelope, else it is the column.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from operator import itemgetter
from typing import Any

from mlserver_forest.errors import ForestError, count, format_value
from mlserver_forest.formats.json.json_columns import AbsentValue, JsonColumns, Row
from mlserver_forest.formats.json.json_document import LargeArray, whole
from mlserver_forest.formats.json.json_keys import Shape, keep_order, merged, shapes_of
from mlserver_forest.formats.json.json_source import JsonSource
from mlserver_forest.formats.matrix import rows_per_block
from mlserver_forest.formats.parsing import ColumnPlan, FoundColumns, ParsedRows, PlanColumns
from mlserver_forest.formats.row_locations import RowLocations

_CONTAINERS = (list, dict, LargeArray)
_FEATURES_OF = itemgetter("features")
_TENSOR = '{"features": {"values": [...]}}'
# Memory is taken for the width that a sparse row declares.
_MOST_SPARSE_COLUMNS = 2**24


class JsonRows:
    """The rows of one source, block by block; all are lists, or all are objects by name.

    Args:
        plan_columns: called with the columns of the first row.
        source: of the rows.
        names: of the columns, if the document names them apart from the rows.
    """

    def __init__(
        self, plan_columns: PlanColumns, source: JsonSource, names: Sequence[str] | None = None
    ) -> None:
        self._plan_columns = plan_columns
        self._policy = source.policy
        self._columns: JsonColumns | None = None
        self._names: tuple[str, ...] = source.names
        self._location = source.name
        # Takes the values out of an object; None if the rows are lists.
        self._values_of: Callable[[Any], Row] | None = None
        # Whether the rows are objects, and no column has the name of an envelope.
        self._are_plain = False
        if names is not None:
            where = f'{source.name}, "columns"' if source.name else '"columns"'
            self._learn(FoundColumns(tuple(names), len(names), where, are_ordered=False))

    def parse(self, rows: Sequence[Any], locations: RowLocations) -> Iterable[ParsedRows]:
        """Turn some rows into columns.

        Args:
            rows: parsed JSON, one value for each row; at least one.
            locations: of the rows.

        Raises:
            policy.invalid: naming row and column, the value and what was expected.
            policy.too_large: if a sparse row declares too many columns.
        """
        columns = self._columns or self._learn_from(rows, locations)
        if self._policy.is_training and self._values_of is not None:
            columns = self._learn_more(rows, locations)
        step = rows_per_block(columns.plan.width) if len(rows) > 1 else 1
        if len(rows) <= step:
            return (columns.convert(self._values(rows, locations, columns.plan), locations),)
        return self._blocks(rows, locations, columns, step)

    def _blocks(
        self, rows: Sequence[Any], locations: RowLocations, columns: JsonColumns, step: int
    ) -> Iterator[ParsedRows]:
        for start in range(0, len(rows), step):
            some, where = rows[start : start + step], locations.part(start, start + step)
            yield columns.convert(self._values(some, where, columns.plan), where)

    def _learn_from(self, rows: Sequence[Any], locations: RowLocations) -> JsonColumns:
        """Take the columns from the first row; in training from all, which may leave out some."""
        first = self._list_or_object(rows[0], 0, locations)
        if self._columns is not None:  # A sparse row has declared them.
            return self._columns
        if type(first) is list:
            return self._learn(FoundColumns(None, len(first), locations.at(0)))
        self._are_plain = "features" not in first and "data" not in first
        self._location = locations.at(0)
        names = tuple(first)
        return self._learn_names(
            merged(self._names, shapes_of(rows)) if self._policy.is_training else names
        )

    def _learn_names(self, names: tuple[str, ...]) -> JsonColumns:
        self._names = names
        self._values_of = itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
        location, may_grow = self._location, self._policy.is_training
        found = FoundColumns(names, len(names), location, are_ordered=False, may_grow=may_grow)
        return self._learn(found)

    def _learn_more(self, rows: Sequence[Any], locations: RowLocations) -> JsonColumns:
        """Take columns that the rows before left out, and look at the order of the keys."""
        shapes = shapes_of(rows)
        names = merged(self._names, shapes)
        columns = self._columns if names == self._names else self._learn_names(names)
        assert columns is not None  # noqa: S101  # The first rows gave them.
        if columns.plan.by_position:
            self._check_order(rows, shapes, locations, columns.plan)
        return columns

    def _check_order(
        self,
        rows: Sequence[Any],
        shapes: Iterable[Shape],
        locations: RowLocations,
        plan: ColumnPlan,
    ) -> None:
        places = {name: place for place, name in enumerate(self._names)}
        keys = next((keys for keys in shapes if not keep_order(keys, places)), None)
        if keys is not None:
            n = next(n for n, row in enumerate(rows) if type(row) is dict and tuple(row) == keys)
            raise self._policy.invalid(
                f"{locations.at(n)} has its keys in another order, {format_value(list(keys))}, "
                f"than {format_value(list(plan.names))}; give target, weight and ignore names "
                "instead of positions, so that target is the name of the label"
            )

    def _learn(self, found: FoundColumns) -> JsonColumns:
        self._columns = JsonColumns(self._plan_columns(found), self._policy)
        return self._columns

    def _values(
        self, rows: Sequence[Any], locations: RowLocations, plan: ColumnPlan
    ) -> Sequence[Row]:
        """The values of each row in the order of the columns."""
        if self._are_plain and (values := self._plain_values(rows, plan)):
            return values
        if self._values_of is not None or set(map(type, rows)) != {list}:
            rows = self._lists_or_objects(rows, locations)
        are_even = set(map(len, rows)) == {plan.width}
        if self._values_of is None:
            if not are_even:
                raise self._other_width(rows, locations, plan)
            return rows
        if self._policy.is_training:  # A missing value may be left out.
            return [list(map(row.get, self._names)) for row in rows]
        try:
            values = list(map(self._values_of, rows)) if are_even else None
        except KeyError:
            values = None
        if values is None:
            raise self._other_names(rows, locations, plan)
        return values

    def _plain_values(self, rows: Sequence[Any], plan: ColumnPlan) -> Sequence[Row] | None:
        """The values of objects by column name; None if a row may be something else."""
        if set(map(type, rows)) != {dict} or set(map(len, rows)) != {plan.width}:
            return None
        with suppress(KeyError):
            return list(map(self._values_of, rows))  # type: ignore[arg-type]  # They are objects.
        return None

    def _lists_or_objects(self, rows: Sequence[Any], locations: RowLocations) -> Sequence[Any]:
        if self._values_of is None and (lists := _feature_lists(rows)):
            return lists
        found = [
            row
            if type(row) is dict and "features" not in row and "data" not in row
            else self._list_or_object(row, n, locations)
            for n, row in enumerate(rows)
        ]
        expected = list if self._values_of is None else dict
        if set(map(type, found)) != {expected}:
            n = next(n for n, row in enumerate(found) if type(row) is not expected)
            first = "a list" if expected is list else "an object"
            raise self._policy.invalid(
                f"{locations.at(n)} is {format_value(rows[n])}; the first row is {first}"
            )
        return found

    def _list_or_object(self, row: Any, n: int, locations: RowLocations) -> Any:
        """The list, or the object by column name, that a row holds."""
        if type(row) is list:
            return row
        if type(row) is not dict:
            raise self._policy.invalid(
                f"{locations.at(n)} is {format_value(row)}; expected a list of values, or an "
                "object of values by column name"
            )
        features = whole(row.get("features"))
        if type(features) is list:
            return features
        if type(features) is dict:
            raise self._not_a_list(features, locations.at(n))
        if isinstance(row.get("data"), _CONTAINERS):
            return self._tensor(row["data"], locations.at(n))
        return row

    def _not_a_list(self, value: Any, location: str) -> ForestError:
        return self._policy.invalid(
            f"{location} is {format_value(value)}; expected a list of values"
        )

    def _tensor(self, data: Any, location: str) -> list[Any]:
        tensor = data.get("features") if isinstance(data, dict) else None
        if not isinstance(tensor, dict) or "values" not in tensor:
            raise self._policy.invalid(
                f'{location} has "data": {format_value(data)}; expected {_TENSOR}, or rows as '
                '{"instances": [[...], ...]}'
            )
        tensor = {name: whole(tensor[name]) for name in tensor}
        if "keys" in tensor:
            return self._dense(tensor, location)
        if type(tensor["values"]) is not list:
            raise self._not_a_list(tensor["values"], location)
        return list(tensor["values"])

    def _dense(self, tensor: Mapping[str, Any], location: str) -> list[Any]:
        """The values of a sparse row."""
        plan = self._sparse_plan(tensor.get("shape"), location)
        keys, values = tensor["keys"], tensor["values"]
        if not isinstance(keys, list) or not isinstance(values, list) or len(keys) != len(values):
            raise self._policy.invalid(
                f"{location} has keys {format_value(keys)} and values {format_value(values)}; "
                "expected two lists of the same length"
            )
        if fault := _key_fault(keys, plan.width):
            raise self._policy.invalid(f"{location} has key {fault}")
        row: list[Any] = [AbsentValue(plan.absent)] * plan.width
        for key, value in zip(keys, values, strict=True):
            row[key] = value
        return row

    def _sparse_plan(self, shape: Any, location: str) -> ColumnPlan:
        is_length = isinstance(shape, list) and len(shape) == 1 and type(shape[0]) is int
        if not is_length or shape[0] < 1:
            raise self._policy.invalid(
                f"{location} has shape {format_value(shape)}; expected [n], the number of columns"
            )
        width = int(shape[0])
        if width > _MOST_SPARSE_COLUMNS:
            raise self._policy.too_large(
                f"{location} has shape {format_value(shape)}; a sparse row may have at most "
                f"{_MOST_SPARSE_COLUMNS} columns"
            )
        columns = self._columns or self._learn(FoundColumns(None, width, location))
        if width != columns.plan.width:
            raise self._policy.invalid(
                f"{location} has {count(width, 'value')}; {columns.plan.expected}"
            )
        return columns.plan

    def _other_width(
        self, rows: Sequence[Row], locations: RowLocations, plan: ColumnPlan
    ) -> ForestError:
        row = next(row for row, values in enumerate(rows) if len(values) != plan.width)
        return self._policy.invalid(
            f"{locations.at(row)} has {count(len(rows[row]), 'value')}; {plan.expected}"
        )

    def _other_names(
        self, rows: Sequence[Any], locations: RowLocations, plan: ColumnPlan
    ) -> ForestError:
        names = set(plan.names)
        row = next(row for row, values in enumerate(rows) if values.keys() != names)
        missing = [name for name in plan.names if name not in rows[row]]
        unknown = [name for name in rows[row] if name not in names]
        faults = [
            f"{label} {', '.join(map(format_value, found))}"
            for label, found in (("missing", missing), ("unknown", unknown))
            if found
        ]
        return self._policy.invalid(
            f"{locations.at(row)} has {' and '.join(faults)}; {plan.expected}; give all rows the "
            "same names, and null where a value is missing"
        )


def _feature_lists(rows: Sequence[Any]) -> Sequence[Any] | None:
    """The values of rows that are all ``{"features": [...]}``; None if some are not."""
    try:
        found = list(map(_FEATURES_OF, rows))
    except (KeyError, TypeError):
        return None
    return found if set(map(type, found)) == {list} else None


def _key_fault(keys: Sequence[Any], width: int) -> str:
    """The fault in the keys of a sparse row, or nothing."""
    for key in keys:
        if type(key) is not int:
            return f"{format_value(key)}; expected an integer"
    for key in (*keys[:1], *keys[-1:]):
        if not 0 <= key < width:
            return f"{key}; expected 0 to {width - 1}"
    for key, following in pairwise(keys):
        if key >= following:
            return f"{following} after {key}; expected ascending keys"
    return ""
