"""Partition folders, ``year=2024/part.parquet``, as Spark, Hive, Dask and Hudi write them.

The name of a folder is a column, whose value all rows of the folder's files have. It is read as a
field of CSV is: a number, or a category.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from mlserver_forest.formats.field_values import parse_number
from mlserver_forest.formats.parsing import ColumnPlan, FoundColumns, ParsedRows

# Hive's name of a missing value.
_MISSING = "__HIVE_DEFAULT_PARTITION__"


def partition_of(path: Path, directory: Path) -> dict[str, str]:
    """The columns that the folders between a directory and its file give: name -> text."""
    pairs = (folder.partition("=") for folder in path.relative_to(directory).parent.parts)
    return {
        unquote(name): "" if value == _MISSING else unquote(value)
        for name, equals, value in pairs
        if name and equals
    }


class PartitionColumns:
    """Columns of a constant value, behind those that a parser finds.

    Args:
        values: name -> text.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self._width = 0
        self._plan: ColumnPlan | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self._values)

    def add_to(self, found: FoundColumns) -> FoundColumns:
        """All columns. A file that has such a column itself keeps its own."""
        self._width = found.width
        if found.names is not None:
            own = set(found.names)
            self._values = {n: value for n, value in self._values.items() if n not in own}
        if not self._values:
            return found
        names = None if found.names is None else (*found.names, *self._values)
        return found._replace(names=names, width=found.width + len(self._values))

    def plan(self, plan: ColumnPlan) -> ColumnPlan:
        """The parser's part of a plan of all columns."""
        self._plan = plan
        if not self._values:
            return plan
        return replace(
            plan,
            width=self._width,
            features=[column for column in plan.features if column < self._width],
            texts={column for column in plan.texts if column < self._width},
            spelled=[column for column in plan.spelled if column < self._width],
            mixed=[column for column in plan.mixed if column < self._width],
            dates=[column for column in plan.dates if column < self._width],
        )

    def fill_in(self, rows: ParsedRows) -> ParsedRows:
        """The rows with these columns."""
        plan = self._plan
        if plan is None or not self._values:
            return rows
        x = np.full((len(rows), len(plan.features)), np.nan, rows.x.dtype)
        texts: dict[int, Any] = dict(rows.texts)
        own = [place for place, column in enumerate(plan.features) if column < self._width]
        x[:, own] = rows.x
        for column, text in enumerate(self._values.values(), self._width):
            number = parse_number(text)
            if (
                column in plan.texts
                or column in plan.spelled
                or column in plan.mixed
                or number is None
            ):
                texts[column] = [text] * len(rows)
            elif column in plan.features:
                x[:, _place(plan.features, column)] = number
        return ParsedRows(rows.locations, x, texts)


def _place(features: Sequence[int], column: int) -> int:
    return list(features).index(column)
